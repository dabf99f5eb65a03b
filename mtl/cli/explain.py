"""`mtl explain`: the training graph as text, as a diagram, or as a page with real steps."""

import sys

from absl import flags as absl_flags

from mtl.cli import console, flags, paths, provenance
from mtl.errors import NoExamplesError, UsageError
from mtl.tasks import NUMBER_TASKS

USAGE = "mtl explain [--all | --format=svg|dot|html] [--step=N] [--out=FILE] [--flag=value ...]"
SUMMARY = "show the graph: the operations of each line, a diagram, the values of real steps"
FORMATS = ["text", "svg", "dot", "html"]
MOST_STEPS = 200  # on a page; its size is then 2.3 MB
UNSEEN = 100  # validation images decoded at each step; 50 steps of --bottom=base take 5 seconds


def define(values):
    """Define the flags: the format, the file to write, the steps, and the flags of a run."""
    text = "text: the lines of the cost and their operations; svg, dot: a diagram; html: a page"
    absl_flags.DEFINE_enum("format", "text", FORMATS, text, flag_values=values)
    text = "list all lines and all operations; only with --format=text"
    absl_flags.DEFINE_bool("all", False, text, flag_values=values)
    paths.define(values, "out", "", "file to write; default stdout")
    text = "train this many steps and show their values on the page; only with --format=html"
    bounds = {"lower_bound": 0, "upper_bound": MOST_STEPS}
    absl_flags.DEFINE_integer("step", 0, text, flag_values=values, **bounds)
    flags.define_gpu(values)
    flags.define_run(values)


def check(values, arguments):
    """Validate combinations of flags. Reads no file."""
    flags.check_no_arguments(arguments)
    config = flags.to_config(values)
    if values.all and values.format != "text":
        what = f"--all does not work with --format={values.format}"
        raise UsageError(f"{what}; use --format=text, or remove --all")
    if values.step and values.format != "html":
        what = f"--step={values.step} does not work with --format={values.format}"
        raise UsageError(f"{what}; use --format=html, or remove --step")
    if values.step or not config.is_numbers:  # the data decides the size of the inputs
        flags.check_data(config.dataset, config.data_dir)


def main(values, arguments):
    """Write the graph; return the exit code."""
    from mtl.runs import files

    if values.out:
        files.check_file(values.out, "--out")  # before the work
    elif values.format == "html" and sys.stdout.isatty():
        raise UsageError("--format=html is a page for a browser; name a file: --out=graph.html")
    config = flags.to_config(values)
    console.start_tensorflow(values.verbosity, values.gpu_memory_growth)
    opened = _opened(config, values.step)
    console.notice("building the graph ...")
    from mtl.explain import lines

    try:
        explained = lines.explain(config, tasks=opened.tasks, inputs=opened.inputs)
    except LookupError as error:  # own code may make operations that have no line of the core
        cure = "explain the graph with another --bottom or --objective"
        raise UsageError(f"{error}; {cure}") from None
    text = _render(values, explained, opened.source).rstrip("\n") + "\n"
    if not values.out:
        sys.stdout.write(text)
        return 0
    with files.whole(values.out) as unfinished, open(unfinished, "w", encoding="utf-8") as file:
        file.write(text)
    print(f"{values.out}: {len(explained.ops):,} operations")
    return 0


def _opened(config, steps):
    """Return the data of a run; without steps, numbers need no file, and have no source."""
    from mtl.data import examples

    if steps or not config.is_numbers:
        return console.opened(config)
    inputs = examples.numbers_inputs(config.window, config.crop_size)
    return examples.Opened(None, NUMBER_TASKS, inputs)


def _render(values, explained, source):
    """Return the graph in the format of --format."""
    from mtl.explain import diagram, dot, page, summary, svg, text

    if values.all:
        return text.render(explained)
    found = diagram.of(explained)
    if values.format == "text":
        return summary.render(explained, found)
    if values.format == "svg":
        return svg.render(found)
    if values.format == "dot":
        return dot.render(found)
    steps = _steps(explained, found, source, values.step) if values.step else []
    command = provenance.command_line("explain", values)
    return page.render(explained, found, steps, command=command)


def _steps(explained, found, source, count):
    """Train with a progress bar; return the steps, list of dict, see mtl.explain.steps.walk."""
    from mtl.cli import training
    from mtl.explain import steps
    from mtl.runs import find

    config = explained.config
    start = find.start(config, explained.inputs)
    unseen = _unseen(explained)
    console.notice(training.first_notice(config))
    done = []
    with console.bar(count, unit="step", delay=0.0) as bar:
        for step in steps.walk(explained, found, source, count, start, unseen):
            done.append(step)
            bar.update()
    return done


def _unseen(explained):
    """Return the first Examples of validation, or None if a small dataset has none."""
    try:
        return console.validation(explained.config, UNSEEN, explained.tasks, explained.inputs)
    except NoExamplesError as error:
        console.say(f"the page has no accuracy on unseen images: {error}")
        return None
