"""`mtl evaluate`: the metrics of a trained network on a dataset."""

import json

from absl import flags as absl_flags

from mtl.cli import console, flags, paths, provenance
from mtl.tasks import is_numbers

USAGE = "mtl evaluate --model_dir=DIR [--dataset=NAME] [--split=test] [--json] [--report=DIR]"
SUMMARY = "evaluate a trained network on a dataset"
SYNTHETIC_TEST = 2000  # images drawn without --count


def define(values):
    """Define the flags: the network, the dataset, and the output."""
    text = "run directory to evaluate; pretrained is the packaged one"
    flags.define_model_dir(values, text)
    for name in ("dataset", "data_dir", "style", "difficulty", "views"):
        flags.define_field(values, name, follows_run=True)
    flags.define_temperature(values)
    flags.define_split(values, "test")
    text = f"evaluate only this many examples; default all, of synthetic {SYNTHETIC_TEST}"
    absl_flags.DEFINE_integer("count", None, text, lower_bound=1, flag_values=values)
    paths.define(values, "checkpoint", "best", "best, last, or the path of a checkpoint")
    text = (
        "print one JSON object; coverage_at_98 is the largest share of images, most confident "
        "first, with at least 98% correct; cost and task_cross_entropy use hard labels and ignore "
        "--temperature"
    )
    absl_flags.DEFINE_boolean("json", False, text, flag_values=values)
    text = (
        "folder for a report: a page (index.html), tables and plots of confusions, lengths, "
        "coverage (the accuracy of the most confident answers), reliability (the accuracy at each "
        "confidence) and mistakes"
    )
    paths.define(values, "report", None, text)
    flags.define_execution(values)


def check(values, arguments):
    """Validate combinations of flags. Reads no file."""
    flags.check_no_arguments(arguments)
    flags.check_model_dir(values, "name the run to evaluate: --model_dir=runs/mine")
    flags.check_temperature(values)
    if values.dataset:
        flags.check_split(values.dataset, values.split)
    if values.dataset == "synthetic":
        flags.check_data(values.dataset, values.data_dir)


def main(values, arguments):
    """Evaluate; return the exit code."""
    console.start_tensorflow(values.verbosity, values.gpu_memory_growth)
    from mtl import run_files
    from mtl.inference.network import Network
    from mtl.reports import report
    from mtl.runs import files, find

    directory = find.directory(values.model_dir)
    run = run_files.read_config(directory)
    flags.find_own_code(run)
    flags.check_numbers_only(values, run)
    dataset = flags.value_or_run(values, "dataset", run)
    data_dir = _data_dir(values, dataset, run)
    if values.report:  # before the work
        files.check_folder(values.report, "--report")
        report.check_directory(values.report)
    with Network.open(values.model_dir, values.checkpoint, values.precision) as network:
        examples = console.load(
            dataset,
            data_dir,
            values.split,
            count=values.count or (SYNTHETIC_TEST if dataset == "synthetic" else None),
            style=flags.value_or_run(values, "style", run),
            difficulty=flags.value_or_run(values, "difficulty", run),
            tasks=network.tasks,
            inputs=network.inputs,
        )
        outputs = console.read(network, examples, flags.value_or_run(values, "views", run))
    temperature = values.temperature or network.temperature
    metrics = _measure(outputs, examples, network, temperature)
    head = {"dataset": dataset, "split": values.split, "examples": metrics.pop("examples")}
    result = {**head, "step": network.step, **metrics}
    if values.json:
        print(json.dumps(result, allow_nan=False))
    else:
        text = _text(result, network.tasks)
        print(f"{dataset}, {values.split}, step {network.step}\n{text}")
    if values.report:  # after the result, so that a full disk does not lose it
        console.notice(f"writing the report {values.report} ...")
        page, evaluations = provenance.describe(values, directory)
        made = _tables(outputs, examples, network.tasks, result, evaluations, temperature)
        report.write(made, examples.inputs, values.report, console.say, page)
    return 0


def _measure(outputs, examples, network, temperature):
    """Return the metrics of the outputs of a network."""
    from mtl import objectives
    from mtl.evaluation import by_task, evaluate

    run = network.config
    value = objectives.value_of(run)
    if not run.is_numbers:
        return by_task.measure(outputs, examples.labels, network.tasks, value)
    return evaluate.measure(outputs, examples.numbers, value, run.absent, temperature)


def _text(result, tasks):
    """Return metrics as text."""
    from mtl.evaluation import by_task, evaluate

    return evaluate.text(result) if is_numbers(tasks) else by_task.text(result, tasks)


def _tables(outputs, examples, tasks, result, evaluations, temperature):
    """Return the tables of the report."""
    from mtl.evaluation import reliability
    from mtl.reports import tables

    temperatures = tables.UNCALIBRATED
    if is_numbers(tasks):
        best = reliability.fit_temperature(outputs, examples.numbers)
        temperatures = tables.Temperatures(temperature, best)
    return tables.make(outputs, examples, tasks, result, evaluations, temperatures)


def _data_dir(values, dataset, run):
    """Return the folder of the dataset; raise UsageError for an invalid combination."""
    # The data_dir of the run contains the dataset of the run, not another one.
    data_dir = values.data_dir or (run.data_dir if dataset == run.dataset else "")
    flags.check_data(dataset, data_dir)
    flags.check_split(dataset, values.split)
    return data_dir
