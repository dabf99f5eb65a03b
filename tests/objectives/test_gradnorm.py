"""mtl.objectives.gradnorm: the gradient of its weights in NumPy, and where it settles."""

import numpy as np
import pytest

import helpers
from tests import objective_steps

LOGITS, FIRST = "objective/logits", "objective/first_losses"
MEANS = np.array([0.3, 7.0, 1.9])


@pytest.fixture
def rows():
    """A function (**fields) -> objective_steps.Rows of gradnorm."""
    opened = []

    def build(**fields):
        opened.append(objective_steps.Rows("gradnorm", **fields))
        return opened[-1]

    yield build
    for each in opened:
        each.close()


def random_rows(seed=0, count=3):
    return np.random.default_rng(seed).normal(size=[count, objective_steps.Rows.PARAMETERS])


def norms_of(gradients):
    """Return the norms at the last layer: the last four parameters."""
    return np.linalg.norm(gradients[:, 6:], axis=1)


def slope(logits, norms, ratios, alpha):
    """Return d distance / d logits, by the chain rule through w = K softmax(logits)."""
    shares = helpers.softmax(logits)
    weighted = 3 * shares * norms
    targets = weighted.mean() * (ratios / ratios.mean()) ** alpha
    of_weights = np.sign(weighted - targets) * norms * 3
    return shares * (of_weights - (shares * of_weights).sum())


@pytest.mark.parametrize("alpha", [0.0, 1.5])
def test_the_gradient_of_the_weights_equals_numpy(rows, alpha):
    built, gradients = rows(alpha=alpha), random_rows()
    first = built(MEANS, gradients)
    np.testing.assert_allclose(first.weights, np.ones(3), rtol=1e-6)
    expected = slope(np.zeros(3), norms_of(gradients), np.ones(3), alpha)
    np.testing.assert_allclose(first.trained[LOGITS], expected, rtol=1e-4, atol=1e-5)

    logits, later = np.array([0.5, -0.2, 0.1]), MEANS * [0.5, 0.9, 0.7]
    built.load(LOGITS, logits)
    found = built(later, gradients)
    expected = slope(logits, norms_of(gradients), np.array([0.5, 0.9, 0.7]), alpha)
    np.testing.assert_allclose(found.trained[LOGITS], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(built.value(FIRST), np.float32(MEANS))


def test_the_network_gets_the_weighted_gradients(rows):
    built, gradients = rows(), random_rows(1)
    built.load(LOGITS, np.array([0.5, -0.2, 0.1]))
    found = built(MEANS, gradients)
    weights = 3 * helpers.softmax([0.5, -0.2, 0.1])
    np.testing.assert_allclose(found.weights, weights, rtol=1e-5)
    assert found.weights.sum() == pytest.approx(3.0, rel=1e-6)
    np.testing.assert_allclose(found.direction, weights @ gradients, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.tops, weights * [1, 2, 3], rtol=1e-5)
    assert found.cost == pytest.approx((weights * MEANS).sum(), rel=1e-5)  # without the distance


def test_without_alpha_the_norms_become_equal(rows):
    built, gradients = rows(alpha=0.0), random_rows(2)
    for step in range(400):
        found = built(MEANS, gradients, rate=0.1 / (1 + step / 10))
    weighted = found.weights * norms_of(gradients)
    np.testing.assert_allclose(weighted, np.full(3, weighted.mean()), rtol=0.02)


def test_a_task_that_falls_slowly_gets_a_larger_norm(rows):
    built, gradients = rows(alpha=1.0), np.tile(random_rows(3)[:1], (3, 1))
    built(np.ones(3), gradients)
    for step in range(400):
        found = built([0.2, 0.4, 0.6], gradients, rate=0.1 / (1 + step / 10))
    np.testing.assert_allclose(found.weights, [0.5, 1.0, 1.5], rtol=0.05)


def test_zero_losses_and_zero_gradients_give_no_nan(rows):
    built, gradients = rows(), random_rows(4)
    gradients[1] = 0.0
    for means in ([0.0, 7.0, 1.9], [0.5, 0.0, 1.9], np.zeros(3)):
        found = built(means, gradients)
        assert np.isfinite(found.trained[LOGITS]).all() and np.isfinite(found.direction).all()
    # The first positive loss of a task is its first loss.
    np.testing.assert_array_equal(built.value(FIRST), np.float32([0.5, 7.0, 1.9]))
    found = built(np.ones(3), np.zeros_like(gradients))
    assert not found.trained[LOGITS].any() and not found.direction.any()


def test_tasks_without_labels_change_no_target(rows):
    gradients = random_rows(5)
    gradients[0] = 0.0
    found = rows(masked=True)([0.0, 7.0, 1.9], gradients, known=[False, True, True])
    norms = norms_of(gradients)
    target = norms[1:].mean()
    of_weights = np.array([0.0, *np.sign(norms[1:] - target) * norms[1:]])
    np.testing.assert_allclose(
        found.trained[LOGITS], of_weights - of_weights.mean(), rtol=1e-4, atol=1e-5
    )
