"""mtl.loop on the toy: best weights, signals, errors and kills. See test_loop_nonfinite.py too.

A run that was interrupted and continued ends with the same bits as one that was not: weights,
Adam's slots and metrics.
"""

import functools
import itertools
import os
import signal
import threading
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import checkpoint, run_files, tasks
from mtl.data import batches
from mtl.errors import DataError, Interrupted
from mtl.inference import graph as inference_graph
from mtl.runs import find
from tests.run_directories import (
    assert_same_run,
    assert_same_variables,
    evaluated_steps,
    saved_steps,
    variables_of,
)
from tests.toy_runs import NAMES, at_step, bars, changed, copy_at_step_8, run, source, stop

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("coarse", "nothing_left")]


def with_accuracies(*accuracies):
    """Return an evaluation that gives these sequence accuracies in turn."""
    values = iter(accuracies)
    return lambda network: {"sequence_accuracy": next(values)}


# -- the best weights ------------------------------------------------------------------------------


def log_probs_of(path, images):
    """Return the log probabilities under the weights of a checkpoint."""
    with tf.Graph().as_default(), tf.Session() as session:
        graph = inference_graph.build(tasks=tasks.NUMBER_TASKS, bottom="mlp")
        variables = {variable.op.name: variable for variable in tf.global_variables()}
        checkpoint.restore(session, variables, path)
        return graph.bind(session).outputs(images)


def test_best_holds_the_first_weights_of_the_best_accuracy(tmp_path):
    metrics = iter([(0.2, -1.0), (0.6, 5.0), (0.6, -9.0), (0.4, -20.0)])  # the cost has no say
    images = bars([3, 7])
    outputs = []

    def evaluate(network):
        outputs.append(network.outputs(images))
        accuracy, cost = next(metrics)
        return {"sequence_accuracy": accuracy, "cost": cost}

    result, _ = run(tmp_path, changed(steps=8, save_every=2), evaluate=evaluate)
    assert result == {"step": 8, "best": 0.6, "best_step": 4}
    assert saved_steps(tmp_path / "best") == [4]
    assert saved_steps(tmp_path) == [6, 8]
    best = find.checkpoint(str(tmp_path))
    assert best == str(tmp_path / "best" / "model.ckpt-4")
    stored = variables_of(best)
    assert len(stored) == 14 + 1  # the weights and global_step, no Adam slots
    assert stored["global_step"] == 4
    found = log_probs_of(best, images)
    for name in NAMES:
        np.testing.assert_allclose(found[name], outputs[1][name], rtol=1e-6, atol=1e-6)
    assert any(np.abs(outputs[2][name] - found[name]).max() > 1e-3 for name in NAMES)


def test_continued_run_remembers_its_best(tmp_path):
    record = changed(save_every=2)
    with pytest.raises(Interrupted):
        run(tmp_path, record, evaluate=with_accuracies(0.3, 0.8), progress=at_step(5, stop))
    result, _ = run(tmp_path, record, evaluate=with_accuracies(0.7, 0.8, 0.5, 0.1))
    assert result == {"step": 12, "best": 0.8, "best_step": 4}
    assert saved_steps(tmp_path / "best") == [4]
    # A new best replaces the one that another process saved.
    record = changed(save_every=2, steps=20)
    with pytest.raises(Interrupted):
        run(tmp_path, record, evaluate=with_accuracies(0.9), progress=at_step(15, stop))
    assert saved_steps(tmp_path / "best") == [14]
    assert saved_steps(tmp_path) == [14, 15]


# -- signals ---------------------------------------------------------------------------------------


def test_resumes_after_each_of_several_signals(reference, tmp_path):
    directory = tmp_path / "run"
    # Only steps 8 and 12 are saved and evaluated anyway. The evaluation comes after the restart.
    expected = [(1, [1], []), (5, [4, 5], [4]), (8, [5, 8], [4]), (12, [8, 12], [4, 8])]
    for step, saved, evaluated in expected:
        with pytest.raises(Interrupted) as error:
            run(directory, progress=at_step(step, stop))
        assert error.value.exit_code == 143
        message = f"{directory}: stopped and saved at step {step}; the same command continues"
        assert str(error.value) == message
        assert saved_steps(directory) == saved
        assert evaluated_steps(directory) == evaluated
    result, messages = run(directory, changed(log_every=5))
    assert messages[0] == f"{directory}: continuing from step 12"
    assert result["step"] == 12
    assert result["best"] is not None
    assert_same_run(directory, reference)
    assert run_files.read_config(str(directory)).log_every == 5  # of the last command


def test_signal_between_batches_stops_the_run(reference, tmp_path):
    with pytest.raises(Interrupted) as error:
        run(tmp_path, source=functools.partial(source, signal_at=6))
    assert error.value.exit_code == 130
    assert 3 <= saved_steps(tmp_path)[-1] <= 9  # the source runs a few batches ahead
    run(tmp_path)
    assert_same_variables(tmp_path / "model.ckpt-12", reference / "model.ckpt-12")


@pytest.mark.parametrize(
    "steps, saved, message",
    [(5, [4, 5], "stopped and saved at step 5"), (0, [], "stopped before its first step")],
)
def test_signal_ends_the_wait_for_a_batch(tmp_path, monkeypatch, steps, saved, message):
    # A file server or a worker that hangs must not keep the run alive.
    monkeypatch.setattr(batches, "JOIN_SECONDS", 0.1)
    trained, answered = threading.Event(), threading.Event()
    if steps == 0:
        trained.set()

    def hang(first):
        yield from itertools.islice(source(first), steps)
        trained.wait(30.0)
        time.sleep(0.3)  # until the main thread waits for the next batch
        os.kill(os.getpid(), signal.SIGTERM)
        answered.wait(30.0)

    with pytest.raises(Interrupted, match=message) as error:
        run(tmp_path, source=hang, progress=at_step(steps, trained.set))
    answered.set()
    for thread in threading.enumerate():
        if thread.name == "prefetch":
            thread.join(5.0)
    assert error.value.exit_code == 143
    assert saved_steps(tmp_path) == saved


@pytest.mark.parametrize(
    "fields",
    [{}, {"precision": "bf16", "batch_size": 16, "threads": 2}],
    ids=["fp32", "bf16 in two towers"],
)
def test_convolutions_resume_bit_for_bit(tmp_path, fields):
    record = changed(bottom="small", steps=3, save_every=2, **fields)
    run(tmp_path / "whole", record, evaluate=None)
    with pytest.raises(Interrupted):
        run(tmp_path / "cut", record, evaluate=None, progress=at_step(1, stop))
    run(tmp_path / "cut", record, evaluate=None)
    assert_same_variables(tmp_path / "cut" / "model.ckpt-3", tmp_path / "whole" / "model.ckpt-3")


# -- errors and kills ------------------------------------------------------------------------------


def failing(at, error):
    """Return a source that raises an error after some steps."""
    return functools.partial(source, fail_at=at, error=error)


def test_resumes_after_data_errors_in_a_moved_directory(reference, tmp_path):
    directory = tmp_path / "here"
    with pytest.raises(OSError, match="^the disk is gone$"):
        run(directory, source=failing(3, OSError("the disk is gone")))
    assert saved_steps(directory) == [3]
    with pytest.raises(DataError, match="^a shard is damaged; saved at step 7$"):
        run(directory, source=failing(7, DataError("a shard is damaged")))
    assert saved_steps(directory) == [4, 7]
    # The next run has no new step to save.
    with pytest.raises(DataError, match="^a shard is damaged$"):
        run(directory, source=failing(7, DataError("a shard is damaged")))
    assert saved_steps(directory) == [4, 7]
    moved = tmp_path / "there"
    directory.rename(moved)
    _, messages = run(moved)
    assert messages[0] == f"{moved}: continuing from step 7"
    assert_same_run(moved, reference)


class Killer:
    """Raises SystemExit at one moment of the evaluation after a step.

    The order is: save the step, evaluate, save the best weights, write the metrics. Every
    evaluation is better than the last, so each saves its weights.
    """

    def __init__(self, monkeypatch, model_dir, moment):
        self.model_dir = model_dir
        self.moment = moment
        self.step = None
        self.evaluations = 0
        self.save = checkpoint.save
        self.write = run_files.write_records
        monkeypatch.setattr(checkpoint, "save", self.save_or_die)
        monkeypatch.setattr(run_files, "write_records", self.write_or_die)

    def reach(self, moment, step):
        if (moment, step) == (self.moment, self.step):
            raise SystemExit

    def evaluate(self, network):
        self.reach("before the evaluation", saved_steps(self.model_dir)[-1])
        self.evaluations += 1
        return {"sequence_accuracy": self.evaluations / 9}

    def save_or_die(self, saver, session, directory, step, *options):
        if os.path.basename(directory) == "best":
            self.reach("before the best weights", step)
        self.save(saver, session, directory, step, *options)

    def write_or_die(self, model_dir, texts, rows):
        if rows:
            self.reach("before the metrics", rows[-1]["step"])
        self.write(model_dir, texts, rows)


@pytest.mark.parametrize(
    "moment", ["before the evaluation", "before the best weights", "before the metrics"]
)
def test_resumes_after_kills_during_evaluations(reference, tmp_path, monkeypatch, moment):
    killer = Killer(monkeypatch, tmp_path, moment)
    for step, evaluated in [(8, [4]), (12, [4, 8])]:
        killer.step = step
        with pytest.raises(SystemExit):
            run(tmp_path, evaluate=killer.evaluate)
        assert saved_steps(tmp_path)[-1] == step
        assert evaluated_steps(tmp_path) == evaluated
    killer.step = None
    _, messages = run(tmp_path, evaluate=killer.evaluate)
    assert "continuing from step 12" in messages[0]
    assert "step 12: validation" in messages[1]
    assert_same_variables(tmp_path / "model.ckpt-12", reference / "model.ckpt-12")
    assert evaluated_steps(tmp_path) == [4, 8, 12]
    assert saved_steps(tmp_path / "best") == [12]


def test_resumes_with_damaged_checkpoint_and_metrics_files(reference, tmp_path):
    copy_at_step_8(reference, tmp_path)
    (tmp_path / "checkpoint").write_bytes(b"\x00\xff garbage")
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 16, "sequ')
    _, messages = run(tmp_path)
    assert "continuing from step 8" in messages[0]
    assert_same_run(tmp_path, reference)
