"""`mtl explain`: what a training graph is made of, as text, as a picture or as a page to walk through."""

import sys

from absl import flags as absl_flags

from mtl.cli import console, flags, origin, paths, train
from mtl.errors import UsageError

USAGE = "mtl explain [--format=text|svg|dot|html] [--out=FILE] [--step=N] [--flagfile=FILE] [--flag=value ...]"
SUMMARY = "show the graph: which line made which operation, the diagram, the numbers of real steps"
FORMATS = ("text", "svg", "dot", "html")
MOST_STEPS = 200  # on a page, which then has 2.3 MB


def define(values):
    """Define the flags: what to write and where to, and the flags of a run, whose graph it is."""
    text = "text: lines and operations; svg, dot: the diagram; html: a page"
    absl_flags.DEFINE_enum("format", "text", list(FORMATS), text, flag_values=values)
    paths.define(values, "out", "", "the file to write; by default stdout")
    text = "training steps that are really done and can be walked through on the page; with --format=html"
    absl_flags.DEFINE_integer("step", 0, text, lower_bound=0, upper_bound=MOST_STEPS, flag_values=values)
    train.define_run(values)


def check(values, arguments):
    """Hold the flags against each other; reads no file."""
    flags.check_no_arguments(arguments)
    if values.step and values.format != "html":
        raise UsageError(
            f"--step={values.step} is for --format=html, a page to walk through; with --format={values.format} leave it out"
        )
    if values.step:  # else no data is needed
        train.check_run(values)


def main(values, arguments):
    """Write the graph; return the exit code."""
    from mtl.runs import files

    if values.out:
        files.check_file(values.out, "--out")  # before the work, not after
    elif values.format == "html" and sys.stdout.isatty():
        raise UsageError(
            "--format=html is a page for a browser; say where to write it: --out=graph.html"
        )
    console.start_tensorflow(values.verbosity)
    from mtl.explain import diagram, lines, page, pictures, text

    explained = lines.explain(flags.to_config(values))
    if values.format == "text":
        written = text.render(explained)
    elif values.format == "html":
        found = diagram.of(explained)
        written = page.render(
            explained,
            found,
            _steps(explained, found, values),
            command=origin.command_of("explain", values),
        )
    else:
        written = {"svg": pictures.svg, "dot": pictures.dot}[values.format](diagram.of(explained))
    written = written.rstrip("\n") + "\n"
    if not values.out:
        sys.stdout.write(written)
        return 0
    with files.whole(values.out) as unfinished, open(unfinished, "w", encoding="utf-8") as file:
        file.write(written)
    print(f"{values.out}: {len(explained.ops):,} operations")
    return 0


def _steps(explained, found, values):
    """Do the steps that are asked for, behind a bar; returns list of dict, see mtl.explain.steps.walk."""
    from mtl.data import batches
    from mtl.explain import steps
    from mtl.runs import directories

    if not values.step:
        return []
    if sys.stderr.isatty():
        console.say(f"training {values.step} steps ...")
    config = explained.config
    start = directories.find(config.init_from) if config.init_from else None
    done = []
    with console.bar(values.step, unit="step") as bar:
        for step in steps.walk(explained, found, batches.batches(config), values.step, start):
            done.append(step)
            bar.update()
    return done
