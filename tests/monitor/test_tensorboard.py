"""Event files: what is in them, that a run which was cut off leaves those of a whole one, and that they never stop a run."""

import dataclasses
import io
import math
import os
import signal

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from event_files import read, scalars
from PIL import Image

import helpers
from mtl import tasks, train
from mtl.config import CROP, Config
from mtl.data.examples import Examples
from mtl.errors import Interrupted
from mtl.monitor import tensorboard

pytestmark = pytest.mark.usefixtures("coarse")
CONFIG = Config(bottom="mlp", batch_size=5, steps=12, save_every=6, log_every=2)
VALIDATION = Examples(
    np.zeros((7, 64, 64, 3), np.uint8), ["", "4", "31", "1234567", "90", "5", "77"], list("abcdefg")
)


def source(first_step):
    step = first_step
    while True:
        rng = np.random.default_rng(step)
        numbers = [
            "".join(map(str, rng.integers(10, size=length)))
            for length in rng.integers(1, 5, size=5)
        ]
        yield rng.integers(0, 256, (5, CROP, CROP, 3)).astype(np.uint8), tasks.encode_all(numbers)
        step += 1


def row():
    """Return what evaluate.measure does, without an evaluation."""
    each = {task.name: 0.25 for task in tasks.NUMBER_TASKS}
    metrics = {
        "sequence_accuracy": 0.5,
        "character_accuracy": 0.75,
        "coverage_at_98": 0.125,
        "cost": None,
    }
    return {**metrics, "task_accuracy": each, "task_cross_entropy": each}


def run(directory, config=CONFIG, first=0, stop=lambda: 0, say=print):
    """Train with event files, as `mtl train` does; return what was told of steps as (step, cost, raw)."""
    board, told = tensorboard.Events(config, str(directory), first, say), []

    def progress(step, cost, raw, images, labels):
        told.append((step, float(cost), {name: float(value) for name, value in raw.items()}))
        board.step(step, cost, raw, images, labels)

    def evaluator(session):
        log_probs = {
            task.name: np.zeros((7, task.classes), np.float32) for task in tasks.NUMBER_TASKS
        }
        return lambda: board.evaluated(row(), VALIDATION, log_probs) or row()

    try:
        train.run(
            config,
            str(directory),
            source,
            evaluator,
            say=lambda line: None,
            progress=progress,
            watch=board.watch,
            stop=stop,
        )
    finally:
        board.close()
    return told


@pytest.fixture(scope="module")
def whole(tmp_path_factory, coarse):
    """Return (run directory of a run that was never stopped, what was told of its steps)."""
    directory = tmp_path_factory.mktemp("whole")
    return directory, run(directory)


def test_scalars_are_grouped_by_their_tags(whole):
    names = [task.name for task in tasks.NUMBER_TASKS]
    of_steps = {"cost", "lr"} | {
        f"loss/{name}/{what}" for name in names for what in ("raw_ce", "log", "at_floor")
    }
    of_steps |= {f"grad_norm/shared/{name}" for name in names}
    of_evaluations = {"accuracy/sequence", "accuracy/character", "coverage_at_98"}
    of_evaluations |= {f"accuracy/{name}" for name in names} | {
        f"validation/{name}/raw_ce" for name in names
    }
    found = scalars(whole[0])
    at = {step: {tag for each, tag in found if each == step} for step in range(13)}
    assert at[2] == of_steps and at[4] == of_steps | {"examples_per_sec"}
    assert at[6] == at[12] == of_steps | {"examples_per_sec"} | of_evaluations
    assert at[8] == of_steps and not at[3]  # after an evaluation the speed is not known


def test_values_are_those_of_the_run(whole):
    directory, told = whole
    found = scalars(directory)
    assert [step for step, *_ in told] == [2, 4, 6, 8, 10, 12]
    for step, cost, raw in told:
        assert found[step, "cost"] == np.float32(cost)
        for name, value in raw.items():
            assert found[step, f"loss/{name}/raw_ce"] == np.float32(value)
            assert found[step, f"loss/{name}/log"] == pytest.approx(math.log(value), abs=1e-6)
            assert found[step, f"loss/{name}/at_floor"] == 0.0
        assert found[step, "lr"] == pytest.approx(
            2e-3 * 0.5 * (1 + math.cos(math.pi * step / 12)), abs=1e-9
        )
    assert (
        found[6, "accuracy/sequence"] == 0.5 and (6, "validation/cost") not in found
    )  # None has no point


@pytest.mark.parametrize(
    "objective, absent", [("log_sum", "x"), ("linear", "x"), ("log_sum", "mask")]
)
def test_gradient_norms_are_those_of_each_tasks_term_by_the_features(objective, absent, tmp_path):
    config = dataclasses.replace(CONFIG, objective=objective, absent=absent, steps=2)
    board = tensorboard.Events(config, str(tmp_path), 0, print)
    with tf.Graph().as_default(), tf.Session() as session:
        graph = train.build(config)
        board.watch(session, graph)
        features = session.graph.get_operation_by_name("length/MatMul").inputs[0]
        terms = {
            name: tf.log(mean) if objective == "log_sum" else mean
            for name, mean in graph.cross_entropies.items()
        }
        gradients = {name: tf.gradients(term, features)[0] for name, term in terms.items()}
        session.run(tf.global_variables_initializer())
        images, labels = next(source(0))
        norms = session.run(
            gradients,
            {graph.images: images, **{graph.labels[name]: labels[name] for name in labels}},
        )
        board.step(1, 0.0, dict.fromkeys(terms, 0.0), images, labels)
    board.close()
    found = scalars(tmp_path)
    for name, gradient in norms.items():
        assert found[1, f"grad_norm/shared/{name}"] == pytest.approx(
            np.linalg.norm(gradient), rel=1e-5
        )
    assert found[1, "loss/digit2/at_floor"] == 1.0 and found[1, "loss/digit2/log"] == pytest.approx(
        -85.1956, abs=1e-4
    )


def test_a_run_that_was_stopped_and_continued_has_the_events_of_a_whole_one(whole, tmp_path):
    asked = []
    with pytest.raises(Interrupted):
        run(tmp_path, stop=lambda: asked.append(1) or (signal.SIGTERM if len(asked) == 9 else 0))
    # As if it had gone on to step 11 before it was killed.
    board = tensorboard.Events(CONFIG, str(tmp_path), 9, print)
    board._scalars(10, {"cost": -1.0})
    board.close()
    run(tmp_path, first=9)
    expected = {
        key: value for key, value in scalars(whole[0]).items() if key[1] != "examples_per_sec"
    }
    assert {
        key: value for key, value in scalars(tmp_path).items() if key[1] != "examples_per_sec"
    } == expected
    starts = [event.step for event in read(tmp_path) if event.HasField("session_log")]
    assert starts == [1, 10] and sum(event.HasField("graph_def") for event in read(tmp_path)) == 1


def test_the_graph_is_in_the_scopes_of_the_diagram(whole):
    (event,) = [event for event in read(whole[0]) if event.HasField("graph_def")]
    graph = tf.GraphDef.FromString(event.graph_def)
    names = {node.name for node in graph.node}
    assert {
        "image/images",
        "shared/dense1/MatMul",
        "loss/digit4/Log_4",
        "cost/Add_4",
        "Adam/beta1_power",
    } <= names
    assert {"loss", "cost", "length", "digit5"} <= {name.split("/")[0] for name in names}


def test_pictures_carry_what_was_read_on_them(whole):
    shown = [
        (event.step, value)
        for event in read(whole[0])
        for value in event.summary.value
        if value.HasField("image")
    ]
    assert [(step, value.tag) for step, value in shown] == [
        (6, "validation/read"),
        (12, "validation/read"),
    ]
    picture = Image.open(io.BytesIO(shown[0][1].image.encoded_image_string))
    assert (
        picture.size == (shown[0][1].image.width, shown[0][1].image.height)
        and picture.width > 6 * 64
    )


# -- cut -------------------------------------------------------------------------------------------------------------------------------


def written(directory, *steps, name="0000000000"):
    """Write an event file with a scalar for each step, and return its path."""
    path = directory / f"{tensorboard.PREFIX}{name}"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(tf.Event(file_version="brain.Event:2").SerializeToString())
        for step in steps:
            value = tf.Summary.Value(tag="cost", simple_value=step)
            writer.write(tf.Event(step=step, summary=tf.Summary(value=[value])).SerializeToString())
    return path


def steps_of(path):
    return [
        event.step
        for event in (tf.Event.FromString(record) for record in tf.io.tf_record_iterator(str(path)))
        if event.step
    ]


def cut(directory, step):
    told = []
    tensorboard.cut(str(directory), step, told.append)
    return told


def test_what_lies_beyond_the_step_is_cut(tmp_path):
    first, second = written(tmp_path, 2, 4, 6, 8), written(tmp_path, 5, 7, name="0000000004")
    cut(tmp_path, 6)
    assert (steps_of(first), steps_of(second)) == ([2, 4, 6], [5])


def test_a_file_of_which_nothing_is_left_goes_and_one_that_keeps_all_is_not_touched(tmp_path):
    kept, gone = written(tmp_path, 2, 4), written(tmp_path, 5, name="0000000004")
    other = tmp_path / "model.ckpt-5.index"
    other.write_bytes(b"x")
    before = kept.read_bytes(), kept.stat().st_mtime_ns, kept.stat().st_ino
    cut(tmp_path, 4)
    assert (kept.read_bytes(), kept.stat().st_mtime_ns, kept.stat().st_ino) == before
    assert not gone.exists() and other.exists()


@pytest.mark.parametrize("tail", [b"\x07", b"\0" * 40, b"\xff" * 200])
def test_a_torn_end_is_cut_off(tail, tmp_path):
    path = written(tmp_path, 2, 4)
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    cut(tmp_path, 9)
    assert path.read_bytes() == whole


def test_event_files_of_other_programs_stay(tmp_path):
    others = [
        written(tmp_path, 2, 99, name=name)
        for name in ("1700000000.host", "1700000000.host.123.0.v2", "strange", "12345678901")
    ]
    (tmp_path / f"{tensorboard.PREFIX}empty").write_bytes(b"")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    assert cut(tmp_path, 9) == []
    assert {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()
    } == before and len(others) == 4
    cut(tmp_path / "none", 9)  # a run that has no directory yet


def test_a_file_of_our_name_that_is_no_event_file_stays(tmp_path):
    path = tmp_path / f"{tensorboard.PREFIX}0000000000"
    path.write_bytes(b"not events at all, but long enough to be read as a record")
    (told,) = cut(tmp_path, 9)
    assert told.startswith(f"warning: {path}: cannot be read (") and told.endswith(
        "); it is left as it is"
    )
    assert path.read_bytes().startswith(b"not events")


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(13, "Permission denied"),
        tf.errors.UnavailableError(None, None, "Input/output error"),
    ],
)
def test_a_file_that_cannot_be_read_now_stays(error, tmp_path, monkeypatch):
    path = written(tmp_path, 2, 4, 6)
    before, read_records = path.read_bytes(), tf.io.tf_record_iterator

    def broken(path):
        yield next(read_records(path))
        raise error

    monkeypatch.setattr(tf.io, "tf_record_iterator", broken)
    (told,) = cut(tmp_path, 3)
    assert str(path) in told and ("Permission denied" in told or "Input/output error" in told)
    assert path.read_bytes() == before


def test_a_new_file_replaces_no_other(tmp_path):
    """A run killed after the evaluation of the step that it continued from has a file of that step already."""
    kept, told = written(tmp_path, 4, name="0000000004"), []
    for again in ("-1", "-2"):
        board = tensorboard.Events(CONFIG, str(tmp_path), 4, told.append)
        board._scalars(5, {"cost": 1.0})
        board.close()
        assert (
            steps_of(kept) == [4] and (tmp_path / f"{tensorboard.PREFIX}0000000004{again}").exists()
        )
        written(tmp_path, 4, name="0000000004-1")
    assert told == []


def test_what_is_no_file_is_left_alone(tmp_path):
    os.mkfifo(tmp_path / f"{tensorboard.PREFIX}pipe")
    (tmp_path / f"{tensorboard.PREFIX}folder").mkdir()
    cut(tmp_path, 9)
    assert len(list(tmp_path.iterdir())) == 2


# -- what cannot be written --------------------------------------------------------------------------------------------------------------


def test_where_nothing_can_be_written_that_is_said_once_and_the_run_goes_on(monkeypatch, tmp_path):
    class Full:
        def __init__(self, path):
            pass

        def write(self, record):
            raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

        def close(self):
            raise AssertionError("there is nothing to close any more")

    monkeypatch.setattr(tf.io, "TFRecordWriter", Full)
    said = []
    told = run(tmp_path, say=said.append)
    assert len(told) == 6 and len(said) == 1
    assert (
        said[0].startswith("warning: no more event files for TensorBoard (No space left")
        and "goes on without" in said[0]
    )


def test_nothing_is_written_before_there_are_values(tmp_path):
    board = tensorboard.Events(CONFIG, str(tmp_path), 0, print)
    with tf.Graph().as_default(), tf.Session() as session:
        board.watch(session, train.build(CONFIG))
    board.close()
    assert not list(tmp_path.iterdir())


def test_a_directory_that_cannot_be_written_is_said_once(tmp_path):
    helpers.touch(tmp_path / "file")
    said = []
    board = tensorboard.Events(CONFIG, str(tmp_path / "file" / "run"), 0, said.append)
    board._scalars(1, {"cost": 1.0})
    board._scalars(2, {"cost": 1.0})
    board.close()
    assert len(said) == 1 and "no more event files" in said[0]
