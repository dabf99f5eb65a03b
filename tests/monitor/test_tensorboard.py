import dataclasses
import io
import math
import signal

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

import helpers
from mtl import bottoms, run_files, tasks, train
from mtl.config import Config
from mtl.data.examples import of_numbers
from mtl.errors import Interrupted
from mtl.inputs import NUMBERS as INPUTS
from mtl.monitor import tensorboard
from tests import event_files, toy_runs

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("coarse")]
NAMES = [task.name for task in tasks.NUMBER_TASKS]
CONFIG = Config(
    bottom="mlp",
    batch_size=5,
    learning_rate=2e-3,
    warmup_steps=0,
    steps=12,
    save_every=6,
    log_every=2,
)
RUN = run_files.Run(CONFIG, tasks.NUMBER_TASKS, INPUTS)
NUMBERS = ["", "4", "31", "1234567", "90", "5", "77"]
VALIDATION = of_numbers(np.zeros((7, 64, 64, 3), np.uint8), NUMBERS, list("abcdefg"))
LOG_PROBS = {task.name: np.zeros((7, task.outputs), np.float32) for task in tasks.NUMBER_TASKS}
ROW = {
    "sequence_accuracy": 0.5,
    "character_accuracy": 0.75,
    "coverage_at_98": 0.125,
    "cost": None,
    "task_accuracy": dict.fromkeys(NAMES, 0.25),
    "task_cross_entropy": dict.fromkeys(NAMES, 0.25),
}


def source(first_step):
    """Yield random batches, each a function of its step."""
    step = first_step
    while True:
        rng = np.random.default_rng(step)
        numbers = []
        for length in rng.integers(1, 5, size=5):
            numbers.append("".join(map(str, rng.integers(10, size=length))))
        images = rng.integers(0, 256, (5, *INPUTS.network_shape)).astype(np.uint8)
        yield images, tasks.encode_all(numbers)
        step += 1


class Run:
    """A run that writes events as `mtl train` does, and records what it logged."""

    def __init__(self, directory, first=0, say=print):
        self._directory = directory
        self._events = tensorboard.Events(RUN, str(directory), first, say)
        self.logged = []  # (step, cost, losses)

    def train(self, stop=lambda: 0):
        callbacks = train.Callbacks(
            say=[].append, watch=self._events.watch, progress=self._progress, stop=stop
        )
        try:
            train.run(CONFIG, str(self._directory), source, self._evaluator, callbacks=callbacks)
        finally:
            self._events.close()
        return self

    def _progress(self, step, cost, losses, images, labels):
        self.logged.append((step, float(cost), dict(losses)))
        self._events.step(step, cost, losses, images, labels)

    def _evaluator(self, session):
        return self._measure

    def _measure(self):
        self._events.evaluated(ROW, VALIDATION, LOG_PROBS)
        return ROW


class StopAt:
    """A stop callback that returns SIGTERM at one of its calls."""

    def __init__(self, call):
        self._call, self._calls = call, 0

    def __call__(self):
        self._calls += 1
        return signal.SIGTERM if self._calls == self._call else 0


def events_of(directory, first=0, say=print):
    """Return Events with two scalars written."""
    events = tensorboard.Events(RUN, str(directory), first, say)
    for step in (first + 1, first + 2):
        events._write_scalars(step, {"cost": -1.0})
    events.close()
    return events


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """(run directory, Run) of an uninterrupted run. Read only."""
    directory = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:  # as the fixture `coarse`, which is per test
        patch.setattr(bottoms, "mlp", toy_runs.coarse_mlp)
        patch.setattr(bottoms, "small", toy_runs.coarse_small)
        return directory, Run(directory).train()


# -- content ---------------------------------------------------------------------------------------


def test_tags(whole):
    of_steps = {"cost", "lr"}
    of_evaluations = {"accuracy/sequence", "accuracy/character", "coverage_at_98"}
    for name in NAMES:
        of_steps |= {f"loss/{name}/{what}" for what in ("raw_ce", "log", "at_floor")}
        of_steps.add(f"grad_norm/shared/{name}")
        of_evaluations |= {f"accuracy/{name}", f"validation/{name}/raw_ce"}
    found = event_files.scalars(whole[0])
    at = {step: {tag for each, tag in found if each == step} for step in range(13)}
    timed = of_steps | {"examples_per_sec"}
    assert at[2] == of_steps and at[4] == timed and at[3] == set()
    assert at[6] == at[12] == timed | of_evaluations
    assert at[8] == of_steps  # there is no speed after an evaluation


def test_values(whole):
    directory, run = whole
    found = event_files.scalars(directory)
    assert [step for step, *_ in run.logged] == [2, 4, 6, 8, 10, 12]
    for step, cost, losses in run.logged:
        assert found[step, "cost"] == np.float32(cost)
        for name, loss in losses.items():
            assert found[step, f"loss/{name}/raw_ce"] == np.float32(loss)
            assert found[step, f"loss/{name}/log"] == pytest.approx(math.log(loss), abs=1e-6)
            assert found[step, f"loss/{name}/at_floor"] == 0.0
        rate = 2e-3 * (1 - step / 12)
        assert found[step, "lr"] == pytest.approx(rate, abs=1e-9)
    assert found[6, "accuracy/sequence"] == 0.5
    assert (6, "validation/cost") not in found  # it is None


@pytest.mark.parametrize(
    "objective, absent", [("log_sum", "x"), ("linear", "x"), ("log_sum", "mask")]
)
def test_gradient_norms_at_the_shared_features(objective, absent, tmp_path):
    config = dataclasses.replace(CONFIG, objective=objective, absent=absent, steps=2)
    events = tensorboard.Events(RUN._replace(config=config), str(tmp_path), 0, print)
    with tf.Graph().as_default(), tf.Session() as session:
        graph = train.build(config)
        events.watch(session, graph)
        gradients = {}
        for name, mean in graph.losses.items():
            term = tf.log(mean) if objective == "log_sum" else mean
            (gradients[name],) = tf.gradients(term, graph.network.features)
        session.run(tf.global_variables_initializer())
        images, labels = next(source(0))
        feeds = {graph.inputs: images, **helpers.feed((graph.labels, labels))}
        expected = session.run(gradients, feeds)
        # Labels are fed by name: their order does not matter.
        reordered = dict(reversed(labels.items()))
        events.step(1, 0.0, dict.fromkeys(NAMES, 0.0), images, reordered)
    events.close()
    found = event_files.scalars(tmp_path)
    for name, gradient in expected.items():
        norm = np.linalg.norm(gradient)
        assert found[1, f"grad_norm/shared/{name}"] == pytest.approx(norm, rel=1e-5)
    assert found[1, "loss/digit2/at_floor"] == 1.0
    assert found[1, "loss/digit2/log"] == pytest.approx(-85.1956, abs=1e-4)


def test_graph_is_in_the_scopes_of_the_diagram(whole):
    (event,) = [event for event in event_files.read(whole[0]) if event.HasField("graph_def")]
    names = {node.name for node in tf.GraphDef.FromString(event.graph_def).node}
    assert {"image/images", "shared/dense1/MatMul"} <= names
    scopes = {name.split("/")[0] for name in names}
    assert {"loss", "cost", "Adam", *NAMES} <= scopes


def test_validation_images(whole):
    shown = []
    for event in event_files.read(whole[0]):
        for value in event.summary.value:
            if value.HasField("image"):
                shown.append((event.step, value.tag, value.image))
    assert [each[:2] for each in shown] == [(6, "validation/read"), (12, "validation/read")]
    image = shown[0][2]
    drawn = Image.open(io.BytesIO(image.encoded_image_string))
    assert drawn.size == (image.width, image.height) and drawn.width > 6 * 64


def test_resumed_run_has_the_events_of_a_whole_one(whole, tmp_path):
    with pytest.raises(Interrupted):
        Run(tmp_path).train(stop=StopAt(9))
    # As if it had gone on to step 11 before it was killed.
    events_of(tmp_path, first=9)
    Run(tmp_path, first=9).train()
    untimed = []
    for directory in (whole[0], tmp_path):
        found = event_files.scalars(directory)
        untimed.append({key: found[key] for key in found if key[1] != "examples_per_sec"})
    assert untimed[0] == untimed[1]
    events = event_files.read(tmp_path)
    assert [event.step for event in events if event.HasField("session_log")] == [1, 10]
    assert len([event for event in events if event.HasField("graph_def")]) == 1


# -- what fails ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [LookupError("no line made\nthe operation x"), ValueError("no scope"), KeyError("w")]
)
def test_scalars_are_written_without_the_graph(error, tmp_path, monkeypatch):
    def fail(config, **network):
        raise error

    monkeypatch.setattr(tensorboard.lines, "explain", fail)
    said = []
    events_of(tmp_path, say=said.append)
    (path,) = tmp_path.iterdir()
    (warning,) = said
    assert warning.startswith(f"warning: {path}: no graph for TensorBoard (")
    assert warning.endswith("); scalars are written") and "\n" not in warning
    assert event_files.scalars(tmp_path) == {(1, "cost"): -1.0, (2, "cost"): -1.0}


def test_full_disk_is_reported_once_and_training_continues(monkeypatch, tmp_path):
    class Full:
        def __init__(self, path):
            pass

        def write(self, record):
            raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

        def close(self):
            raise AssertionError("a writer that failed is closed")

    monkeypatch.setattr(tf.io, "TFRecordWriter", Full)
    said = []
    run = Run(tmp_path, say=said.append).train()
    assert len(run.logged) == 6
    reason = "no more event files for TensorBoard (No space left on device)"
    assert said == [f"warning: {tmp_path}: {reason}; training continues"]


def test_unwritable_directory_is_reported_once(tmp_path):
    helpers.touch(tmp_path / "file")
    said = []
    events_of(tmp_path / "file" / "run", say=said.append)
    assert len(said) == 1 and "no more event files" in said[0]


def test_no_file_without_values(tmp_path):
    events = tensorboard.Events(RUN, str(tmp_path), 0, print)
    with tf.Graph().as_default(), tf.Session() as session:
        events.watch(session, train.build(CONFIG))
    events.close()
    assert list(tmp_path.iterdir()) == []
