"""mtl.objectives.db_mtl: running means of the gradients of log losses, scaled to one norm."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl.objectives import Problem, Settings, db_mtl
from tests import gradient_cases as cases

BETA, SIGMA = 0.9, 0.5
SLOPES = np.float32(np.random.default_rng(6).normal(size=(3, 7)))


class Run:
    """Three losses, linear in a shared vector and in a number of each top."""

    def __init__(self, session, labelled=None):
        self.session, self.fixed = session, {}
        self.losses = tf.placeholder(tf.float32, [3])
        self.slopes = tf.placeholder(tf.float32, [3, 7])
        self.step = tf.placeholder(tf.int64, [])
        shared = [tf.get_variable("w", [2, 3], use_resource=True)]
        shared += [tf.get_variable("b", [1], use_resource=True)]
        own = [tf.get_variable(f"top{index}", [], use_resource=True) for index in range(3)]
        joined = tf.concat([tf.reshape(shared[0], [6]), shared[1]], 0)
        means = {}
        for index, top in enumerate(own):
            products = tf.reduce_sum(self.slopes[index] * joined) + top
            means[f"task{index}"] = self.losses[index] + products - tf.stop_gradient(products)
        options = {"beta": BETA, "sigma": SIGMA}
        problem = Problem(
            means,
            shared=shared,
            own=own,
            step=self.step,
            settings=Settings(options=options),
            labelled=labelled,
        )
        update = db_mtl.build(problem)
        self.fetches = [[each for each, _ in update.gradients], update.weights, update.cost]
        self.assign = [variable.assign(value) for variable, value in update.state]
        self.state = [variable for variable, _ in update.state]
        session.run(tf.global_variables_initializer())

    def __call__(self, losses, step, slopes=SLOPES):
        """Return the gradient of the bottom [7], of the tops, the weights and the cost."""
        feed = {self.losses: losses, self.step: step, self.slopes: slopes, **self.fixed}
        (gradients, weights, cost), _ = self.session.run([self.fetches, self.assign], feed)
        bottom = np.concatenate([np.ravel(each) for each in gradients[:2]])
        return bottom, np.array(gradients[2:]), weights, cost


@pytest.fixture
def run():
    with tf.Graph().as_default(), tf.Session() as session:
        yield Run(session)


def norms(rows):
    return np.linalg.norm(rows, axis=1)


def test_running_means_are_scaled_to_the_largest_norm(run):
    mean = np.zeros((3, 7))
    rng = np.random.default_rng(7)
    for step in range(4):
        losses = np.float32(rng.uniform(0.1, 5.0, 3))
        share = BETA / (step + 1) ** SIGMA if step else 0.0
        mean = share * mean + (1.0 - share) * SLOPES / losses[:, np.newaxis]
        bottom, tops, weights, cost = run(losses, step)
        np.testing.assert_allclose(weights, norms(mean).max() / norms(mean), rtol=1e-5)
        np.testing.assert_allclose(bottom, weights @ mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(tops, 1.0 / losses, rtol=1e-5)
        assert cost == pytest.approx(np.log(losses).sum(), rel=1e-5, abs=1e-5)
    stored = np.concatenate([np.reshape(each, (3, -1)) for each in run.session.run(run.state)], 1)
    np.testing.assert_allclose(stored, mean, rtol=1e-5, atol=1e-7)


def test_all_terms_have_the_same_norm():
    with cases.solver(db_mtl.weights) as weights:
        for kind in ("plain", "nearly parallel", "scales"):
            rows = cases.jacobian(kind, 5)
            found = norms(weights(rows)[:, np.newaxis] * rows)
            np.testing.assert_allclose(found, norms(rows).max(), rtol=1e-9)
        zero = cases.jacobian("one zero", 3)
        np.testing.assert_array_equal(weights(zero) > 0.0, zero.any(axis=1))
        np.testing.assert_array_equal(weights(np.zeros((3, 7))), np.zeros(3))


def test_rescaling_a_loss_changes_nothing(run):
    losses, factors = np.array([0.5, 2.0, 1.0]), np.array([1e3, 1e-3, 7.0])
    first = run(losses, 0)[0]
    second = run(losses * factors, 0, SLOPES * factors[:, np.newaxis])[0]
    np.testing.assert_allclose(first, second, rtol=1e-4)


def test_a_loss_of_zero_has_weight_zero(run):
    bottom, tops, weights, cost = run([0.0, 2.0, 1.0], 0)
    assert weights[0] == 0.0 and tops[0] == 0.0 and np.isfinite([*bottom, cost]).all()
    others = SLOPES[1:] / np.array([[2.0], [1.0]])
    np.testing.assert_allclose(weights[1:], norms(others).max() / norms(others), rtol=1e-5)


def test_a_task_without_labels_keeps_its_mean_and_has_weight_zero():
    with tf.Graph().as_default(), tf.Session() as session:
        known = tf.placeholder_with_default([True, True, True], [3])
        run = Run(session, labelled=lambda: known)
        losses = np.array([0.5, 2.0, 1.0])
        run(losses, 0)
        before = session.run(run.state)
        run.fixed[known] = [True, False, True]
        bottom, _, weights, _ = run(losses, 1)
        after = session.run(run.state)
    for one, other in zip(before, after):
        np.testing.assert_array_equal(one[1], other[1])
    assert weights[1] == 0.0
    rows = (SLOPES / losses[:, np.newaxis])[[0, 2]]
    np.testing.assert_allclose(bottom, (norms(rows).max() / norms(rows)) @ rows, rtol=1e-4)


def test_equals_libmtl_but_for_the_start(run):
    # LibMTL starts from a mean of 0 at step 1: its first d is 1 - beta times this one.
    buffer = np.zeros((3, 7))
    losses = np.array([0.5, 2.0, 1.0])
    rows = SLOPES / losses[:, np.newaxis]
    buffer = rows + BETA / 1**SIGMA * (buffer - rows)
    expected = (norms(buffer).max() / norms(buffer)) @ buffer
    np.testing.assert_allclose((1 - BETA) * run(losses, 0)[0], expected, rtol=1e-4)
