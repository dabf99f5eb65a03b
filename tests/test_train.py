"""mtl.train on the toy: the graph, and what a run learns and writes."""

import dataclasses
import json
import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import bottoms, layers, run_files, tasks, train
from tests.run_directories import (
    assert_same_variables,
    evaluated_steps,
    metrics_of,
    saved_steps,
    variables_of,
)
from tests.toy_runs import CONFIG, NAMES, bars, changed, coarse_mlp, inference_of, run, source

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("coarse", "nothing_left")]


# -- the graph -------------------------------------------------------------------------------------


def soft_cross_entropy(log_probs, classes, smoothing):
    """Return the mean cross entropy of classes as soft labels, in NumPy."""
    depth = log_probs.shape[1]
    rows = (1 - smoothing) * np.eye(depth)[classes] + smoothing / depth
    return -(rows * log_probs).sum(axis=1).mean()


@pytest.mark.parametrize(
    "objective, formula, smoothing", [("log_sum", np.log, 0.4), ("linear", np.float64, 0.0)]
)
def test_losses_equal_numpy_and_training_lowers_the_cost(objective, formula, smoothing):
    record = changed(objective=objective, label_smoothing=smoothing, dropout=0.0)
    images, labels = next(source(0))
    with tf.Graph().as_default(), tf.Session() as session:
        graph = train.build(record)
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            inference = inference_of(record)
        assert list(graph.labels) == list(graph.losses) == list(inference.outputs) == NAMES
        session.run(tf.global_variables_initializer())
        feed = {graph.labels[name]: labels[name] for name in NAMES}
        feed[graph.inputs] = images
        means, cost = session.run([graph.losses, graph.cost], feed)
        # Without dropout, training and inference compute the same outputs.
        log_probs = session.run(inference.outputs, {inference.placeholder: images})
        for done in (1, 2):
            session.run(graph.minimize, feed)
            assert session.run(graph.step) == done
        assert session.run(graph.cost, feed) < cost
    for name in NAMES:
        expected = soft_cross_entropy(log_probs[name], labels[name], smoothing)
        assert means[name] == pytest.approx(expected, rel=1e-5)
    assert cost == pytest.approx(sum(formula(means[name]) for name in NAMES), rel=1e-5)


TWO_TASKS = (tasks.Task("colour", 3), tasks.Task("shape", 5))


@pytest.mark.parametrize(
    "objective, formula", [("log_sum", lambda means: np.log(means).sum()), ("linear", np.sum)]
)
def test_other_tasks_are_trained_with_the_objective(objective, formula):
    with tf.Graph().as_default(), tf.Session() as session:
        graph = train.build(changed(objective=objective), tasks=TWO_TASKS)
        session.run(tf.global_variables_initializer())
        feed = {graph.inputs: bars([3, 1, 4]), graph.labels["colour"]: [2, 0, 1]}
        feed[graph.labels["shape"]] = [4, 0, 3]
        means, cost = session.run([graph.losses, graph.cost], feed)
    assert list(means) == ["colour", "shape"]
    assert cost == pytest.approx(formula(np.float64(list(means.values()))), rel=1e-5)


@pytest.mark.parametrize(
    "found, fields, message",
    [
        ([], {}, "at least one tasks.Task"),
        ([tasks.Task("real", 1)], {}, "task real has outputs=1, but"),
        ([tasks.Task("shared", 3)], {}, "task shared: the shared bottom"),
        (TWO_TASKS, {"absent": "mask"}, "task colour: absent='mask' has no effect"),
        ([tasks.Task("Objective", 3)], {}, "task Objective: the shared bottom, the objective"),
        (TWO_TASKS, {"objective": "answer"}, "give both for exactly the tasks .'length'"),
    ],
    ids=["none", "one class", "shared", "mask", "objective", "answer"],
)
def test_build_refuses_tasks_that_it_cannot_train(found, fields, message):
    with tf.Graph().as_default(), pytest.raises(ValueError, match=message):
        train.build(changed(**fields), tasks=found)


def bottom_with_unused_variable(images, **settings):
    with tf.variable_scope("unused"):
        layers.variable("w", [3], 1.0, 0)
    return coarse_mlp(images, **settings)


def test_variable_that_does_not_reach_the_cost_is_not_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(bottoms, "mlp", bottom_with_unused_variable)
    graphs = []
    callbacks = train.Callbacks(watch=lambda session, graph: graphs.append(graph))
    train.run(changed(steps=2), str(tmp_path), source, None, callbacks=callbacks)
    assert "shared/unused/w" not in graphs[0].gradients
    found = variables_of(tmp_path / "model.ckpt-2")
    assert "shared/unused/w" in found
    assert "shared/unused/w/Adam" not in found


# -- what a run learns -----------------------------------------------------------------------------


class Log:
    """A progress callback that records steps, costs and losses."""

    def __init__(self):
        self.steps = []
        self.costs = []
        self.losses = []

    def __call__(self, step, cost, losses, images, labels):
        self.steps.append(step)
        self.costs.append(float(cost))
        self.losses.append(dict(losses))


def plain(**fields):
    """Return CONFIG without dropout, label smoothing and decay, for a run that saves only once."""
    options = {"schedule": "constant", "dropout": 0.0, "label_smoothing": 0.0, **fields}
    return changed(save_every=options["steps"], **options)


def test_learns_the_toy(tmp_path):
    log = Log()
    result, _ = run(tmp_path, plain(steps=60), progress=log)
    assert log.steps == list(range(1, 61))
    assert np.mean(log.costs[-5:]) < np.mean(log.costs[:5]) - 10
    assert list(log.losses[0]) == NAMES
    assert log.losses[-1]["digit1"] < 0.2 * log.losses[0]["digit1"]
    # The evaluation sees the trained weights.
    assert result == {"step": 60, "best": 1.0, "best_step": 60}


def test_masked_run_trains_only_digits_with_a_label(tmp_path):
    record = plain(absent="mask", steps=40)
    log = Log()
    run(tmp_path / "long", record, progress=log, evaluate=None)
    # All numbers have one digit: the other tasks have no label and no loss.
    for cost, losses in zip(log.costs, log.losses):
        assert list(losses) == ["length", "digit1"]
        logs = [math.log(max(loss, 1e-37)) for loss in losses.values()]
        assert cost == pytest.approx(sum(logs), rel=1e-4, abs=1e-4)
    assert log.losses[-1]["digit1"] < 0.3 * log.losses[0]["digit1"]
    # Nor do the weights of digit2 to digit5 and of X change.
    short = dataclasses.replace(record, steps=1, save_every=1)
    run(tmp_path / "short", short, evaluate=None)
    before = variables_of(tmp_path / "short" / "model.ckpt-1")
    after = variables_of(tmp_path / "long" / "model.ckpt-40")
    for name in NAMES[2:]:
        np.testing.assert_array_equal(after[f"{name}/w"], before[f"{name}/w"])
    before, after = before["digit1/w"], after["digit1/w"]
    np.testing.assert_array_equal(after[:, 10], before[:, 10])
    assert (after[:, :10] != before[:, :10]).any()


def test_objective_answer_trains_to_the_same_bits_as_log_sum(reference, tmp_path):
    run(tmp_path, changed(objective="answer"))
    assert_same_variables(tmp_path / "model.ckpt-12", reference / "model.ckpt-12")


# -- what a run writes -----------------------------------------------------------------------------


def test_files_of_a_run_directory(reference):
    expected = ["best", "checkpoint", "config.json", "flags.flags"]
    expected += ["metrics.jsonl", "versions.json"]
    for step in (8, 12):
        expected += [f"model.ckpt-{step}.index", f"model.ckpt-{step}.data-00000-of-00001"]
    assert sorted(path.name for path in reference.iterdir()) == sorted(expected)
    assert (reference / "flags.flags").read_text() == "--steps=12\n"
    assert (reference / "versions.json").read_text() == "{}\n"
    assert evaluated_steps(reference) == [4, 8, 12]
    for row in metrics_of(reference):
        assert list(row)[:2] == ["step", "sequence_accuracy"]
    assert variables_of(reference / "model.ckpt-12")["global_step"] == 12


def test_config_json_describes_the_network_and_its_threads(reference):
    record = json.loads((reference / "config.json").read_text())
    assert record["tasks"] == [[task.name, task.outputs] for task in tasks.NUMBER_TASKS]
    assert record["inputs"] == {"shape": [64, 64, 3], "crop": 54, "dtype": "uint8"}
    assert record["threads"]["intra_op"] >= 1
    assert record["threads"]["inter_op"] >= 1
    assert run_files.read_config(str(reference)) == CONFIG


def test_config_json_has_the_temperature_of_the_best_step(tmp_path):
    rows = iter([(0.25, 0.7), (0.5, 0.8), (0.5, 0.9)])

    def evaluate(network):
        accuracy, temperature = next(rows)
        return {"sequence_accuracy": accuracy, "temperature": temperature}

    temperatures = []

    def progress(step, *outcome):
        record = json.loads((tmp_path / "config.json").read_text())
        temperatures.append(record["temperature"])

    run(tmp_path, changed(log_every=3), evaluate=evaluate, progress=progress)
    assert temperatures == [1.0, 0.7, 0.8, 0.8]  # at steps 3, 6, 9 and 12; evaluated at 4, 8 and 12
    assert run_files.read(str(tmp_path)).temperature == 0.8


@pytest.mark.parametrize("name", ["checkpoint", "best/checkpoint"])
def test_checkpoint_file_has_relative_paths(reference, name):
    text = (reference / name).read_text()
    assert 'model_checkpoint_path: "model.ckpt-' in text
    assert str(reference) not in text


def test_runs_without_evaluation_in_a_new_directory(reference, tmp_path):
    directory = tmp_path / "not" / "yet"
    log = Log()
    record = changed(save_every=5, log_every=3)
    result, messages = run(directory, record, evaluate=None, progress=log)
    assert result == {"step": 12, "best": None, "best_step": None}
    assert log.steps == [3, 6, 9, 12]
    assert messages == []
    assert saved_steps(directory) == [10, 12]
    assert metrics_of(directory) == []
    assert not (directory / "best").exists()
    # Neither evaluation nor log changes a weight.
    assert_same_variables(directory / "model.ckpt-12", reference / "model.ckpt-12")


def add_an_operation(*unused):
    with pytest.raises(RuntimeError, match="finalized"):
        tf.constant(1.0)
    return {"sequence_accuracy": 0.5}


def test_graph_is_final_before_the_first_step(tmp_path):
    # A callback that adds operations would slow a long run down.
    result, _ = run(
        tmp_path, changed(steps=1), evaluate=add_an_operation, progress=add_an_operation
    )
    assert result["best"] == 0.5
