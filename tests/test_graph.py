"""mtl.graph: what an objective gets and returns. test_train.py tests losses, cost and updates."""

import sys
import types

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import helpers
from mtl import graph, objectives, tasks
from mtl.config import Config
from mtl.errors import UsageError
from mtl.inputs import Inputs
from mtl.objectives import Update

FEATURES = Inputs((5,), 0, "float32")
SETTINGS = {"tasks": "a:3,b:real", "dataset": "npz", "bottom": "mlp", "warmup_steps": 0, "seed": 3}
BATCH = 4


@pytest.fixture
def own(monkeypatch):
    """A function (objective) -> its name as module:function."""

    def name_of(objective):
        module = types.ModuleType("code_of_a_graph")
        module.objective = objective
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return f"{module.__name__}:objective"

    return name_of


@pytest.fixture
def built():
    """A function (fields) -> (graph.Graph, feed, session) of an initialised training graph."""
    with tf.Graph().as_default(), tf.Session() as session:

        def build(**fields):
            found = graph.build(Config(**{**SETTINGS, **fields}), inputs=FEATURES)
            session.run(tf.global_variables_initializer())
            rng = np.random.default_rng(2)
            labels = {"a": np.int32([0, 2, 1, 2]), "b": np.float32([0.5, -1.0, 2.0, 0.1])}
            feed = {found.inputs: np.float32(rng.normal(size=[BATCH, 5]))}
            return found, feed | helpers.feed((found.labels, labels)), session

        yield build


def variable(name, count=1):
    return objectives.variable(name, np.full(count, -1.0, np.float32))


@pytest.mark.parametrize("on_nonfinite", ["stop", "skip"])
def test_state_is_computed_before_the_weights_and_the_step_change(built, own, on_nonfinite):
    def objective(logits, labels, means):
        (bias,) = tf.trainable_variables("a/b")
        (counter,) = tf.global_variables("global_step")
        step = tf.cast(counter.value(), tf.float32)
        state = [(variable("bias", 3), bias.value()), (variable("step"), step[tf.newaxis])]
        return Update(tf.add_n(list(means.values())), dict(means), state=state)

    _, feed, session = run = built(objective=own(objective), on_nonfinite=on_nonfinite)
    (bias,) = tf.trainable_variables("a/b")
    remembered = tf.global_variables("objective/")
    for step in range(5):
        before = session.run(bias)
        session.run(run[0].minimize, feed)
        found = dict(zip(["bias", "step"], session.run(remembered)))
        np.testing.assert_array_equal(found["bias"], before)
        np.testing.assert_array_equal(found["step"], [step])
        assert (session.run(bias) != before).all()


@pytest.mark.parametrize("on_nonfinite", ["stop", "skip"])
def test_weights_wait_for_a_slow_state(built, own, on_nonfinite):
    def objective(logits, labels, means):
        (bias,) = tf.trainable_variables("a/b")
        slow = tf.random.uniform([700, 700], seed=1)
        for _ in range(5):
            slow = tf.matmul(slow, slow) / 350
        with tf.control_dependencies([slow]):
            late = bias.read_value()
        state = [(variable("bias", 3), late)]
        return Update(tf.add_n(list(means.values())), dict(means), state=state)

    found, feed, session = built(objective=own(objective), on_nonfinite=on_nonfinite)
    (bias,) = tf.trainable_variables("a/b")
    (remembered,) = tf.global_variables("objective/")
    for _ in range(3):
        before = session.run(bias)
        session.run(found.minimize, feed)
        np.testing.assert_array_equal(session.run(remembered), before)


@pytest.mark.parametrize("on_nonfinite", ["stop", "skip"])
def test_follow_gets_the_losses_of_the_new_weights_with_the_same_masks(built, own, on_nonfinite):
    def objective(logits, labels, means):
        after = variable("after", 2)

        def follow(means):
            return [(after, tf.stack(list(means.values())))]

        return Update(tf.add_n(list(means.values())), dict(means), follow=follow)

    record = {"objective": own(objective), "dropout": 0.4, "on_nonfinite": on_nonfinite}
    found, feed, session = built(**record)
    (after,) = tf.global_variables("objective/")
    before = session.run(found.losses, feed)
    session.run(found.minimize, feed)
    assert session.run(found.step) == 1
    found.step.load(0, session)  # the key of the dropout masks
    expected = session.run(list(found.losses.values()), feed)
    np.testing.assert_allclose(session.run(after), expected, rtol=1e-5)
    assert all(abs(new - old) > 1e-4 for new, old in zip(expected, before.values()))


def test_a_skipped_step_leaves_what_the_objective_remembers(built, own):
    def objective(logits, labels, means):
        pairs = [(variable("state"), tf.ones([1]))]
        others = variable("after")

        def follow(means):
            return [(others, tf.ones([1]))]

        return Update(tf.add_n(list(means.values())), dict(means), state=pairs, follow=follow)

    found, feed, session = built(objective=own(objective), on_nonfinite="skip")
    remembered = tf.global_variables("objective/")
    session.run(found.minimize, {**feed, found.inputs: np.full([BATCH, 5], np.nan, np.float32)})
    assert session.run(found.step) == 1
    np.testing.assert_array_equal(session.run(remembered), -np.ones([2, 1]))
    session.run(found.minimize, feed)
    np.testing.assert_array_equal(session.run(remembered), np.ones([2, 1]))


def test_an_objective_gets_the_variables_the_features_and_the_settings(built, monkeypatch):
    problems = []
    uw_so = objectives.find("uw_so")
    build = uw_so.build
    monkeypatch.setattr(uw_so, "build", lambda problem: problems.append(problem) or build(problem))
    found, feed, session = built(objective="uw_so", clip_min=0.01, top_units="7")
    (problem,) = problems
    names = [each.op.name for each in (*problem.shared, *problem.own)]
    assert names == [each.op.name for each in tf.trainable_variables()]
    assert {name.split("/")[0] for name in names[: len(problem.shared)]} == {"shared"}
    assert problem.features is found.network.features and problem.step is found.step
    assert list(problem.means) == list(problem.logits) == list(problem.labels) == ["a", "b"]
    assert problem.settings == objectives.Settings({}, 0.01, 1e37, {"temperature": 10.0}, 3)
    assert problem.gated
    labels = {"a": np.full(BATCH, -1, np.int32), "b": np.float32([np.nan, 1.0, 2.0, 0.1])}
    known = session.run(problem.labelled(), feed | helpers.feed((found.labels, labels)))
    np.testing.assert_array_equal(known, [False, True])


@pytest.mark.parametrize(
    "objective, formula",
    [
        ("linear", np.ones_like),
        ("log_sum", np.reciprocal),
        ("geometric", lambda means: np.sqrt(means.prod()) / 2 / means),
        ("imtl_l", np.ones_like),
        ("uw_so", lambda means: helpers.softmax(0.1 / means)),
    ],
)
def test_weights_of_the_tasks(built, objective, formula):
    found, feed, session = built(objective=objective)
    before = len(session.graph.get_operations())
    weights, means = session.run([found.weights(), found.losses], feed)
    assert len(session.graph.get_operations()) > before
    assert list(weights) == ["a", "b"]
    expected = formula(np.array(list(means.values())))
    np.testing.assert_allclose(list(weights.values()), expected, rtol=1e-5)


def test_weights_of_the_answer():
    record = Config(bottom="mlp", objective="answer", crop=7, window=9)
    with tf.Graph().as_default(), tf.Session() as session:
        found = graph.build(record)
        session.run(tf.global_variables_initializer())
        images = np.random.default_rng(0).integers(0, 255, [3, 7, 7, 3]).astype(np.uint8)
        labels = tasks.encode_all(["12", "", "54321"])
        feed = {found.inputs: images} | helpers.feed((found.labels, labels))
        weights, means = session.run([found.weights(), found.losses], feed)
    for name, weight in weights.items():
        assert weight == pytest.approx(1 / means[name], rel=1e-5)
    assert [each.op.name for each in found.shared] == ["shared/dense1/w", "shared/dense1/b"]


def test_a_bottom_without_variables_has_no_gradients_to_combine(monkeypatch):
    module = types.ModuleType("code_of_a_graph")
    module.bottom = lambda inputs, **settings: inputs
    monkeypatch.setitem(sys.modules, module.__name__, module)
    record = {**SETTINGS, "bottom": "code_of_a_graph:bottom", "objective": "gradnorm"}
    with tf.Graph().as_default(), pytest.raises(UsageError) as error:
        graph.build(Config(**record), inputs=FEATURES)
    helpers.one_line(error, "--bottom=code_of_a_graph:bottom has no variables", "gradnorm needs;")
