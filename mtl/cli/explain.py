"""`mtl explain`: what a training graph is made of, as text, as a picture or as a page to walk through."""

import sys

from absl import flags

from mtl import config
from mtl.cli import common, train
from mtl.errors import UsageError

USAGE = "mtl explain [--format=text|svg|dot|html] [--out=FILE] [--step=N] [--flagfile=FILE] [--flag=value ...]"
SUMMARY = "show the graph: which line made which operation, the diagram, the numbers of real steps"
FORMATS = ("text", "svg", "dot", "html")
MOST_STEPS = 200  # on a page: 50 make 1 MB


def define(values):
    """Define the flags: what to write and where to, and the flags of a run, whose graph it is."""
    flags.DEFINE_enum("format", "text", list(FORMATS), "text: lines and operations; svg, dot: the diagram; html: a page", flag_values=values)
    flags.DEFINE_string("out", "", "the file to write; by default stdout", flag_values=values)
    text = "training steps that are really done and can be walked through on the page; with --format=html"
    flags.DEFINE_integer("step", 0, text, lower_bound=0, upper_bound=MOST_STEPS, flag_values=values)
    common.define_model_dir(values, "a run directory whose graph is shown, in place of the flags of a run; steps go on from its weights")
    train.define_run(values)


def check(values, arguments):
    """Hold the flags against each other; reads no file."""
    common.check_no_arguments(arguments)
    if values.step and values.format != "html":
        raise UsageError(f"--step={values.step} is for --format=html, a page to walk through; with --format={values.format} leave it out")
    if not values.model_dir:
        train.check_run(values)
    given = [name for name in common.field_names() if values[name].present and name not in config.MAY_CHANGE]
    if values.model_dir and given:
        raise UsageError(f"--model_dir={values.model_dir} says what the graph is; leave out --{', --'.join(given)}")


def main(values, arguments):
    """Write the graph; return the exit code."""
    from mtl import files

    if values.out:
        files.check_file(values.out, "--out")  # before the work, not after
    common.start_tensorflow(values.verbosity)
    from mtl.explain import lines, page, pictures, text

    explained = lines.explain(common.to_config(values))
    written = {"text": text.render, "svg": pictures.svg, "dot": pictures.dot, "html": page.render}[values.format](explained)
    if not values.out:
        sys.stdout.write(written + "\n")
        return 0
    with files.whole(values.out) as unfinished, open(unfinished, "w", encoding="utf-8") as file:
        file.write(written + "\n")
    print(f"{values.out}: {len(explained.ops):,} operations")
    return 0
