"""The numbers of the steps are those of a session that trains the same graph on the same batches."""

import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import helpers
from mtl import model, tasks, train
from mtl.config import CROP, Config
from mtl.explain import diagram, lines, steps
from mtl.runs import directories

BATCH = 13


def source(first_step):
    """Endless batches of noise with random labels."""
    step = first_step
    while True:
        rng = np.random.default_rng(step)
        numbers = [
            "".join(map(str, rng.integers(10, size=length)))
            for length in rng.integers(0, 7, size=BATCH)
        ]
        yield (
            rng.integers(0, 256, (BATCH, CROP, CROP, 3)).astype(np.uint8),
            tasks.encode_all(numbers),
        )
        step += 1


def walked(config, count, start=None):
    explained = lines.explain(config)
    return (
        explained,
        diagram.of(explained),
        list(steps.walk(explained, diagram.of(explained), source, count, start)),
    )


def test_values_equal_those_of_a_session_that_trains_without_being_watched():
    config = Config(bottom="mlp", label_smoothing=0.0)
    _, found, walk = walked(config, 4)
    names = list(walk[0]["values"])
    with tf.Graph().as_default() as graph, tf.Session(config=model.session_config(0, 1)) as session:
        plain = train.build(Config(bottom="mlp", label_smoothing=0.0, threads=1))
        session.run(tf.global_variables_initializer())
        for step, (images, labels) in zip(walk, source(0)):
            feed = {
                plain.images: images,
                **{plain.labels[name]: labels[name] for name in plain.labels},
            }
            logits = {
                task.name: graph.get_operation_by_name(task.logits).outputs[0]
                for task in found.tasks
            }
            values, rows, _ = session.run(
                [[f"{name}:0" for name in names], logits, plain.minimize], feed
            )
            assert step["values"] == dict(zip(names, map(float, values)))
            assert (step["image"] == images[0]).all()
            for name, own in step["tasks"].items():
                assert own["logits"] == rows[name][0].tolist() and own["label"] == labels[name][0]
                assert own["softmax"] == pytest.approx(
                    helpers.softmax(rows[name][0]).tolist(), abs=1e-6
                )


def test_the_chain_adds_up_the_logs_of_the_clipped_means():
    _, found, walk = walked(Config(bottom="mlp"), 3)
    for step in walk:
        values, total = step["values"], np.float32(0)
        for place, task in enumerate(found.tasks):
            mean = values[step["tasks"][task.name]["mean"]]
            assert values[task.loss[-1]] == pytest.approx(math.log(mean), abs=1e-6)
            total = np.float32(total + np.float32(values[task.loss[-1]]))
            if place:
                assert values[found.adds[place - 1]] == total


@pytest.mark.parametrize(
    "objective, absent", [("log_sum", "x"), ("linear", "x"), ("log_sum", "mask")]
)
def test_weights_are_one_by_the_loss_and_pulls_the_norm_of_each_tasks_gradient(objective, absent):
    config = Config(bottom="mlp", objective=objective, absent=absent)
    _, found, (step,) = walked(config, 1)
    images, labels = next(source(0))
    with tf.Graph().as_default() as graph, tf.Session() as session:
        plain = train.build(config)
        session.run(tf.global_variables_initializer())
        feed = {plain.images: images, **{plain.labels[name]: labels[name] for name in plain.labels}}
        for task, depth in zip(found.tasks, (7, 11, 11, 11, 11, 11)):
            own, mean = step["tasks"][task.name], step["values"][step["tasks"][task.name]["mean"]]
            assert own["weight"] == pytest.approx(
                1 / mean if objective == "log_sum" else 1.0, rel=1e-5
            )
            w = next(each for each in tf.trainable_variables() if each.op.name == f"{task.name}/w")
            logits, w = session.run([graph.get_operation_by_name(task.logits).outputs[0], w], feed)
            masked = absent == "mask" and task.name != "length"
            known = depth - masked
            rows = np.pad(np.eye(known) * 0.9 + 0.1 / known, [(0, int(masked))] * 2)[
                labels[task.name]
            ]
            there = rows.sum(axis=1, keepdims=True) > 0
            by_logits = (helpers.softmax(logits) - rows) * there / there.sum() * own["weight"]
            assert own["pull"] == pytest.approx(np.linalg.norm(by_logits @ w.T), rel=1e-4)


def test_what_is_read_is_what_the_distributions_say_and_the_label_is_the_pictures():
    _, _, walk = walked(Config(bottom="mlp"), 5)
    for step, (_, labels) in zip(walk, source(0)):
        assert step["true"] == tasks.decode({name: int(rows[0]) for name, rows in labels.items()})
        assert step["read"] is None or step["read"].isdigit() or step["read"] == ""


def test_a_start_gives_the_weights_of_a_checkpoint():
    config = Config(bottom="base")
    _, found, (fresh,) = walked(config, 1)
    explained = lines.explain(config)
    (started,) = steps.walk(explained, found, source, 1, directories.find("pretrained"))
    assert started["tasks"]["length"]["logits"] != fresh["tasks"]["length"]["logits"]


@pytest.mark.parametrize("value", [0.1, 1e-37, 3.4e38, -85.195, 2.5e8, 0.0, 1 / 3])
def test_the_shortest_number_says_the_same_float32(value):
    value = float(np.float32(value))
    written = steps.shortest(value)
    assert np.float32(written) == np.float32(value) and len(repr(written)) <= len(repr(value))


def test_what_is_not_finite_becomes_a_text():
    assert [steps.shortest(value) for value in (math.inf, -math.inf, math.nan)] == [
        "inf",
        "-inf",
        "nan",
    ]
