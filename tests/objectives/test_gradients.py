"""All objectives of gradients in a training graph: the update of each variable, and a resume."""

import contextlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import catalogue, graph, inputs
from mtl.config import Config
from mtl.explain import lines

# excess and gradnorm need the gradients, but they weigh losses: their tops are weighted too.
OTHERS = ("excess", "gradnorm")
NAMES = [
    name
    for name in catalogue.NAMES
    if catalogue.entry(name).needs == catalogue.GRADIENTS and name not in OTHERS
]
FEATURES = inputs.Inputs((5,), 0, "float32")
TASKS = ("a", "b", "c")


def config_of(name, **fields):
    return Config(
        tasks="a:3,b:real,c:4",
        dataset="table",
        bottom="mlp",
        objective=name,
        optimizer="sgd",  # with a learning rate of 1, a step subtracts the gradient
        learning_rate=1.0,
        schedule="constant",
        warmup_steps=0,
        batch_size=6,
        threads=1,
        seed=5,
        **fields,
    )


class Training:
    """A training graph in a session, with the gradients of each task from tf.gradients."""

    def __init__(self, session, name):
        tf.set_random_seed(1)
        self.name, self.session = name, session
        self.built = graph.build(config_of(name), inputs=FEATURES)
        self.shared = [each for each in tf.trainable_variables() if "shared/" in each.op.name]
        self.rows = [tf.gradients(mean, self.shared) for mean in self.built.losses.values()]
        terms = tf.add_n(list(self.built.terms.values()))
        self.tops = [each for each in tf.trainable_variables() if each not in self.shared]
        self.of_tops = tf.gradients(terms, self.tops)
        self.weights = list(self.built.weights().values())
        self.variables = tf.global_variables()
        self.saver = tf.train.Saver(self.variables)
        self.initialize = tf.global_variables_initializer()

    def feed(self, step):
        rng = np.random.default_rng([1, step])
        values = rng.random((6, 5), np.float32)
        labels = [rng.integers(0, 3, 6), rng.normal(size=6), rng.integers(0, 4, 6)]
        feed = dict(zip(self.built.labels.values(), labels))
        return {self.built.inputs: values, **feed}

    def step(self, step):
        self.session.run(self.built.minimize, self.feed(step))

    def values(self):
        return self.session.run(self.variables)


@pytest.fixture(scope="module", params=NAMES)
def built(request):
    """The Training of each objective, as another test left it."""
    session = tf.Session(graph=tf.Graph())
    with session.graph.as_default():
        training = Training(session, request.param)
    with contextlib.closing(session):
        yield training


@pytest.fixture
def training(built):
    """The Training of each objective with its initial weights and state."""
    built.session.run(built.initialize)
    with built.session.graph.as_default():  # for its Saver
        yield built


def flat(parts):
    return np.concatenate([np.ravel(part) for part in parts])


@pytest.mark.slow
def test_three_steps_follow_the_weighted_gradients_and_resume(training, tmp_path):
    session = training.session
    mean = 0.0
    for step in range(3):
        fetches = [training.rows, training.of_tops, training.weights, training.built.losses]
        fetches += [training.shared, training.tops]
        rows, tops, weights, losses, *before = session.run(fetches, training.feed(step))
        rows = np.array([flat(row) for row in rows])
        if training.name == "db_mtl":  # the gradients of log losses, and their running mean
            rows /= np.array(list(losses.values()))[:, np.newaxis]
            share = 0.9 / (step + 1) ** 0.5 if step else 0.0
            mean = rows = share * mean + (1.0 - share) * rows
        training.step(step)
        shared, own = session.run([training.shared, training.tops])
        expected = np.float64(weights) @ rows
        size = np.abs(np.float64(weights)[:, np.newaxis] * rows).max()
        np.testing.assert_allclose(flat(before[0]) - flat(shared), expected, atol=1e-5 * size)
        np.testing.assert_allclose(flat(before[1]) - flat(own), flat(tops), atol=1e-5)
    path = training.saver.save(session, str(tmp_path / "saved"), write_meta_graph=False)
    training.step(3)
    expected = training.values()
    session.run(training.initialize)
    training.saver.restore(session, path)
    training.step(3)
    for one, other in zip(training.values(), expected):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_tasks_without_a_label_do_not_stop_the_others(training):
    session = training.session
    feed = training.feed(0)
    feed[training.built.labels["a"]] = np.full(6, -1)
    before = session.run(training.shared)
    session.run(training.built.minimize, feed)
    moved = session.run(training.shared)
    assert (flat(before) != flat(moved)).any()
    feed[training.built.labels["b"]] = np.full(6, np.nan)
    feed[training.built.labels["c"]] = np.full(6, -1)
    session.run(training.built.minimize, feed)
    if training.name != "db_mtl":  # its running means are still of the step before
        np.testing.assert_array_equal(flat(session.run(training.shared)), flat(moved))
    assert np.isfinite(flat(training.values())).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_explain_finds_a_line_for_each_operation(name):
    found = lines.explain(config_of(name), inputs=FEATURES)
    kinds = {op.kind for op in found.ops.values()}
    assert kinds == set(lines.KINDS)
    for op in found.ops.values():
        assert found.all_lines_of(op)
    gradients = [op for op in found.ops.values() if op.kind == lines.GRADIENT]
    assert {op.name.split("/")[0] for op in gradients} == {
        "gradients", "gradients_1", "gradients_2"
    }  # fmt: skip
