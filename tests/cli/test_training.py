"""mtl.cli.training: the parts that `mtl train` wires together."""

import numpy as np
import pytest

from mtl import config, inputs, tasks
from mtl.cli import training
from mtl.data.examples import Examples, of_numbers
from mtl.errors import DataError, NoExamplesError
from mtl.evaluation import reliability
from mtl.inference import reading
from mtl.run_files import Run

CLASSES = {task.name: task.outputs for task in tasks.NUMBER_TASKS}


def run_of(record):
    """Return the Run of a Config with the tasks and inputs of numbers."""
    return Run(record, tasks.NUMBER_TASKS, inputs.NUMBERS)


def load_validation(record):
    """Load the validation of a Config."""
    return training.validation(record, tasks.parse(record.tasks), inputs.NUMBERS)


@pytest.fixture
def said(monkeypatch):
    """The list of lines that are reported."""
    lines = []
    monkeypatch.setattr(training.console, "say", lines.append)
    return lines


def test_synthetic_validation_draws_a_fixed_number_of_images(monkeypatch):
    requested = []

    def load(*names, **options):
        requested.append((names, options))
        return validation_of(["7"])

    monkeypatch.setattr(training.console, "load", load)
    load_validation(config.Config(style="written", difficulty=0.7, workers=3))
    load_validation(config.Config(dataset="npz", data_dir="data"))
    (names, options), (other_names, other_options) = requested
    assert names == ("synthetic", "", "validation")
    assert options["count"] == training.SYNTHETIC_VALIDATION
    assert (options["style"], options["difficulty"], options["workers"]) == ("written", 0.7, 3)
    assert other_names == ("npz", "data", "validation") and other_options["count"] is None


def test_a_dataset_without_validation_is_reported(monkeypatch, said):
    def load(*names, **options):
        raise NoExamplesError("data: no example")

    monkeypatch.setattr(training.console, "load", load)
    assert load_validation(config.Config(dataset="npz", data_dir="data")) is None
    assert said == ["no validation, so the newest weights count as the best: data: no example"]


@pytest.mark.parametrize("best_by, missing", [("", ""), ("odd", "odd"), ("height", "")])
def test_validation_without_a_label_that_selects_weights_is_none(
    monkeypatch, said, best_by, missing
):
    labels = {"odd": np.full(3, -1, np.int32), "height": np.array([1.0, np.nan, 2.0], np.float32)}
    examples = Examples(np.zeros((3, 8, 8, 1), np.uint8), labels, list("abc"))
    monkeypatch.setattr(training.console, "load", lambda *names, **options: examples)
    fields = {"tasks": "odd:2,height:real", "dataset": "npz", "data_dir": "data"}
    found = load_validation(config.Config(best_by=best_by, **fields))
    assert (found is None) == bool(missing)
    if missing:
        what = "data: no example of validation has a label of odd"
        assert said == [f"no validation, so the newest weights count as the best: {what}"]
    labels["height"][:] = np.nan
    assert load_validation(config.Config(**fields)) is None
    assert said[-1].endswith("has a label of odd, height")


def test_an_exact_match_needs_an_example_with_all_labels(monkeypatch, said):
    labels = {"odd": np.array([1, -1, 0], np.int32), "even": np.array([-1, 1, -1], np.int32)}
    examples = Examples(np.zeros((3, 8, 8, 1), np.uint8), labels, list("abc"))
    monkeypatch.setattr(training.console, "load", lambda *names, **options: examples)
    fields = {"tasks": "odd:2,even:2", "dataset": "npz", "data_dir": "data"}
    assert load_validation(config.Config(best_by="exact_match", **fields)) is None
    assert said[-1].endswith("no example of validation has all labels of odd, even")
    labels["even"][0] = 0
    assert load_validation(config.Config(best_by="exact_match", **fields)) is examples


class Signalled:
    """A stand-in for signals.Caught that records whether it was armed."""

    def __init__(self, number=0):
        self.number, self.armed = number, False

    def __call__(self):
        return self.number

    def arm(self):
        self.armed = True


def test_signals_are_armed_by_the_first_batch():
    signalled = Signalled()
    stream = training.ArmedSource(iter_batches, signalled, "drawing ...")(5)
    assert not signalled.armed
    assert next(stream) == 5 and signalled.armed
    stream.close()


def iter_batches(first):
    """Yield numbers in place of batches."""
    yield from range(first, first + 3)


@pytest.mark.parametrize("terminal", [True, False])
def test_first_batch_is_announced_on_a_terminal(monkeypatch, capsys, terminal):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    notice = training.first_notice(config.Config(pool=1024))
    stream = training.ArmedSource(iter_batches, Signalled(), notice)(5)
    assert capsys.readouterr().err == ""
    next(stream)
    next(stream)
    assert capsys.readouterr().err == "drawing 1,024 images of train ...\n" * terminal
    other = config.Config(dataset="records", data_dir="data")
    assert training.first_notice(other) == "preparing the first batch ..."


def test_stop_checks_the_lock_before_it_returns_the_signal():
    def replaced():
        raise DataError("run: was replaced")

    assert training.Stop(lambda: None, Signalled(15))() == 15
    with pytest.raises(DataError, match="was replaced"):
        training.Stop(replaced, Signalled(15))()


@pytest.fixture
def combined(monkeypatch):
    """Replace what measures the combination of the tasks; return the list of its calls."""
    calls = []

    class Recorded:
        def __init__(self, run, gradients):
            calls.append(gradients)

        def watch(self, session, graph):
            calls.append("watch")

        def measured(self, examples):
            return {"weights": {}}

    monkeypatch.setattr(training.combination, "Combination", Recorded)
    return calls


def test_a_monitor_without_events_reports_only_the_progress_line(said, combined):
    record = run_of(config.Config(steps=2))
    monitor = training.Monitor(record, "run", 0, verbose=True, events=False)
    monitor.watch(None, None)
    monitor.each_step(1, 2.0, {"length": 0.0})
    monitor.step(1, 2.0, {"length": 0.5}, None, None)
    row = {}
    with monitor.evaluation():
        monitor.evaluated(row, None, None)
    monitor.close()
    assert row == {"monitor": {"steps_at_floor": 1, "weights": {}}}
    assert combined == [False, "watch"]
    assert len(said) == 1 and said[0].startswith("step 1/2")
    quiet = training.Monitor(record, "run", 0, verbose=False, events=False)
    quiet.step(1, 2.0, {"length": 0.5}, None, None)
    assert len(said) == 1


@pytest.mark.parametrize("terminal, count", [(True, 1), (False, 0)])
def test_timed_lines_are_shown_only_on_a_terminal(monkeypatch, said, terminal, count):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    monkeypatch.setattr(training.progress, "FIRST", 0.0)
    monitor = training.Monitor(run_of(config.Config(steps=2)), "run", 0, verbose=True, events=False)
    monitor.each_step(1, 2.0, {"length": 0.5})
    assert said == []
    monitor.each_step(2, 2.0, {"length": 0.5})
    assert len(said) == count
    assert all(" images/s  0:00 left  cost 2.000" in line for line in said)


# -- the evaluator ---------------------------------------------------------------------------------


class Uncertain:
    """An inference graph that reads red as the number, and is less certain of negatives."""

    tasks, inputs = tasks.NUMBER_TASKS, inputs.NUMBERS

    def __init__(self):
        self.views = 0

    def outputs(self, crops):
        certain = {name: np.empty((len(crops), n), "f4") for name, n in CLASSES.items()}
        self.views += len(crops)
        for i, crop in enumerate(crops):
            red, negative = int(crop[0, 0, 0]), int(crop[0, 0, 1]) == 255
            probability = 0.5 if negative else 0.8
            for name, label in tasks.encode(str(255 - red if negative else red)).items():
                rest = (1 - probability) / (CLASSES[name] - 1)
                certain[name][i] = np.log(rest)
                certain[name][i, label] = np.log(probability)
        return certain


def validation_of(numbers):
    """Return images whose red is a number."""
    images = np.zeros((len(numbers), *inputs.NUMBERS.shape), np.uint8)
    images[..., 0] = np.array([int(number) for number in numbers])[:, None, None]
    return of_numbers(images, numbers, numbers)


@pytest.mark.parametrize("views", [1, 2])
def test_evaluation_fits_the_temperature_for_the_views_of_the_run(
    views, monkeypatch, said, combined
):
    numbers = ["7"] * 30 + ["8"] * 3
    examples = validation_of(numbers)
    examples.inputs[30:, ..., 0] = 9  # predicted wrongly
    record = run_of(config.Config(views=views))
    monitor = training.Monitor(record, "run", 0, verbose=False, events=False)
    evaluator = training.Evaluator(record, "run", examples, monitor, int)
    network = Uncertain()
    monkeypatch.setattr(evaluator, "_network", network)
    row = evaluator.measure()
    assert row["sequence_accuracy"] == row["score"] == 30 / 33
    averaged = reading.read(network, examples.inputs, count=views)
    assert row["temperature"] == reliability.fit_temperature(averaged, numbers)
    one = reading.read(network, examples.inputs)
    # Two views are less certain, so they need a lower temperature.
    assert (row["temperature"] < reliability.fit_temperature(one, numbers)) == (views == 2)


class Constant:
    """A network of own tasks whose outputs are the same for every example."""

    tasks = tasks.parse("digit:3,height:real")
    inputs = inputs.Inputs((4,), 0, "float32")

    def outputs(self, features):
        rows = np.log(np.float32([[0.2, 0.7, 0.1]]))
        return {"digit": rows.repeat(len(features), 0), "height": np.ones((len(features), 1), "f4")}


@pytest.mark.parametrize("best_by, score", [("", (0.75 - 0.5) / 2), ("digit", 0.75)])
def test_own_tasks_are_measured_and_described(monkeypatch, said, combined, best_by, score):
    labels = {"digit": np.int32([1, 1, -1, 0, 1]), "height": np.float32([0, 0, 2, np.nan, -2])}
    examples = Examples(np.zeros((5, 4), np.float32), labels, list("abcde"))
    record = config.Config(
        tasks="digit:3,height:real", dataset="npz", data_dir="data", best_by=best_by
    )
    run = Run(record, Constant.tasks, Constant.inputs)
    monitor = training.Monitor(run, "run", 0, verbose=False, events=False)
    evaluator = training.Evaluator(run, "run", examples, monitor, int)
    monkeypatch.setattr(evaluator, "_network", Constant())
    row = evaluator.measure()
    # The mean of the heights is 0 and their variance 2; the mean squared error of 1 is 3.
    assert row["tasks"]["digit"]["accuracy"] == 0.75
    assert row["tasks"]["height"]["r2"] == pytest.approx(1 - 3 / 2)
    assert row["score"] == pytest.approx(score)
    assert "temperature" not in row and "sequence_accuracy" not in row
    shown = "score of digit 75.00%" if best_by else "score 0.125"
    assert row["message"] == f"validation {shown} (digit 75.00%, height R2 -0.5)"
