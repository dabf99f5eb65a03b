"""`mtl evaluate`: the metrics of a trained network on a data set."""

import json

from absl import flags as absl_flags

from mtl import config
from mtl.cli import console, flags, origin, paths

USAGE = "mtl evaluate --model_dir=DIR [--dataset=NAME] [--data_dir=DIR] [--split=test] [--json] [--report=DIR]"
SUMMARY = "measure a trained network on a data set"
SYNTHETIC_TEST = 2000  # images drawn where --count does not say


def define(values):
    """Define the flags: which network, which pictures, how to print."""
    flags.define_model_dir(
        values, "the run directory to evaluate; pretrained is the one that comes with the package"
    )
    absl_flags.DEFINE_enum(
        "dataset",
        None,
        config.DATASETS,
        "what to evaluate on; by default what the run was trained on",
        flag_values=values,
    )
    paths.define(
        values, "data_dir", None, "where the data set lies; by default where the run's lies"
    )
    flags.define_split(values, "test")
    paths.define(values, "checkpoint", "best", "best, last, or the path of a checkpoint")
    absl_flags.DEFINE_boolean("json", False, "print one JSON object", flag_values=values)
    text = "a folder for tables, pictures and a page (index.html) of where the network errs: confusion, lengths, coverage, surest mistakes"
    paths.define(values, "report", None, text)
    flags.define_views(
        values, None, "how many views of each picture are averaged; by default as the run says"
    )
    flags.define_drawing(values, None)
    text = f"the first so many images; by default all, of synthetic {SYNTHETIC_TEST}"
    absl_flags.DEFINE_integer("count", None, text, lower_bound=1, flag_values=values)


def check(values, arguments):
    """Hold the flags against each other; reads no file."""
    flags.check_no_arguments(arguments)
    flags.check_model_dir(values, "say which run to evaluate: --model_dir=runs/mine")
    if values.dataset:
        flags.check_split(values.dataset, values.split)
    if values.dataset == "synthetic":
        flags.check_data(values.dataset, values.data_dir)


def main(values, arguments):
    """Evaluate; return the exit code."""
    console.start_tensorflow(values.verbosity)
    from mtl import run_files
    from mtl.evaluation import evaluate
    from mtl.inference.network import Network
    from mtl.reports import report
    from mtl.runs import directories, files

    directory = directories.directory(values.model_dir)
    run = run_files.read_config(directory)
    dataset = values.dataset or run.dataset
    # The folder of the run holds the run's own data set, never another one.
    data_dir = values.data_dir or (run.data_dir if dataset == run.dataset else "")
    flags.check_data(dataset, data_dir)
    flags.check_split(dataset, values.split)
    if values.report:
        files.check_folder(values.report, "--report")  # before the work, not after
        report.check_directory(values.report)
    with Network.open(values.model_dir, values.checkpoint) as network:
        count = values.count or (SYNTHETIC_TEST if dataset == "synthetic" else None)
        drawing = {"style": values.style or run.style, "difficulty": values.difficulty}
        examples = console.load(dataset, data_dir, values.split, count=count, **drawing)
        log_probs = console.read(network, examples, values.views or run.views)
        metrics = evaluate.measure(log_probs, examples.numbers, network.cost_of_means, run.absent)
    head = {
        "dataset": dataset,
        "split": values.split,
        "examples": metrics.pop("examples"),
        "step": network.step,
    }
    result = {**head, **metrics}
    title = f"{dataset}, {values.split}, step {network.step}"
    print(
        json.dumps(result, allow_nan=False) if values.json else f"{title}\n{evaluate.text(result)}"
    )
    if values.report:  # after the result, which a full disk must not cost
        told, evaluations = origin.of(values, directory)
        rows = report.make(log_probs, examples, result, evaluations)
        report.write(rows, examples.images, values.report, console.say, told)
    return 0
