"""mtl.objectives.uncertainty: the formula, its best log variances, and tasks without a gradient."""

import numpy as np
import pytest

LOGS = "objective/log_variances"
MEANS, VALUES = np.array([0.3, 7.0, 1.9]), np.array([0.4, -1.2, 2.0])


def at(steps, logs, means=MEANS):
    """Return a step at some log variances."""
    built = steps("uncertainty")
    built.load(LOGS, logs)
    return built(means)


def test_cost_and_gradients_equal_numpy(steps):
    found = at(steps, VALUES)
    terms = MEANS / (2 * np.exp(VALUES)) + VALUES / 2
    np.testing.assert_allclose(found.terms, terms, rtol=1e-6)
    assert found.cost == pytest.approx(terms.sum(), rel=1e-6)
    np.testing.assert_allclose(found.gradients, 0.5 * np.exp(-VALUES), rtol=1e-6)
    np.testing.assert_allclose(found.weights, found.gradients, rtol=1e-6)
    np.testing.assert_allclose(found.trained[LOGS], 0.5 - MEANS * np.exp(-VALUES) / 2, rtol=1e-5)


def test_log_variances_start_at_zero(steps):
    found = steps("uncertainty")(MEANS)
    np.testing.assert_allclose(found.gradients, [0.5] * 3)
    assert found.cost == pytest.approx(MEANS.sum() / 2, rel=1e-6)


def test_at_the_best_log_variances_the_gradient_is_half_that_of_log_sum(steps):
    found, answer = at(steps, np.log(MEANS)), steps("log_sum")(MEANS)
    np.testing.assert_allclose(found.trained[LOGS], np.zeros(3), atol=1e-7)
    np.testing.assert_allclose(found.gradients, answer.gradients / 2, rtol=1e-5)
    assert found.cost == pytest.approx(0.5 * (3 + answer.cost), rel=1e-5)


def test_training_finds_the_best_log_variances(steps):
    built = steps("uncertainty")
    for _ in range(200):
        built(MEANS, rate=0.5)
    np.testing.assert_allclose(built.value(LOGS), np.log(MEANS), atol=1e-4)


def test_equals_torchjd(steps):
    torch, scalarization = (
        pytest.importorskip("torch"),
        pytest.importorskip("torchjd.scalarization"),
    )
    peer = scalarization.UW(3)
    peer.log_var.data = torch.tensor(VALUES, dtype=torch.float32)
    values = torch.tensor(MEANS, dtype=torch.float32, requires_grad=True)
    cost = peer(values)
    cost.backward()
    found = at(steps, VALUES)
    assert found.cost == pytest.approx(float(cost), rel=1e-6)
    np.testing.assert_allclose(found.gradients, values.grad, rtol=1e-6)
    np.testing.assert_allclose(found.trained[LOGS], peer.log_var.grad, rtol=1e-5)
