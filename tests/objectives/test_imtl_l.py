"""mtl.objectives.imtl_l: the formula, its best scales, and its tie to uncertainty."""

import numpy as np
import pytest

LOGS = "objective/log_scales"
MEANS, VALUES = np.array([0.3, 7.0, 1.9]), np.array([0.4, -1.2, 2.0])


def at(steps, logs, means=MEANS):
    """Return a step at some scales."""
    built = steps("imtl_l")
    built.load(LOGS, logs)
    return built(means)


def test_cost_and_gradients_equal_numpy(steps):
    found = at(steps, VALUES)
    terms = np.exp(VALUES) * MEANS - VALUES
    np.testing.assert_allclose(found.terms, terms, rtol=1e-6)
    assert found.cost == pytest.approx(terms.sum(), rel=1e-6)
    np.testing.assert_allclose(found.gradients, np.exp(VALUES), rtol=1e-6)
    np.testing.assert_allclose(found.weights, found.gradients, rtol=1e-6)
    np.testing.assert_allclose(found.trained[LOGS], np.exp(VALUES) * MEANS - 1, rtol=1e-5)


def test_at_the_best_scales_the_cost_is_that_of_log_sum_plus_one_a_task(steps):
    found, answer = at(steps, -np.log(MEANS)), steps("log_sum")(MEANS)
    np.testing.assert_allclose(found.trained[LOGS], np.zeros(3), atol=1e-6)
    np.testing.assert_allclose(found.gradients, answer.gradients, rtol=1e-5)
    assert found.cost == pytest.approx(3 + answer.cost, rel=1e-5)


def test_is_twice_uncertainty_with_negated_logs(steps):
    built = steps("uncertainty")
    built.load("objective/log_variances", -VALUES)
    assert at(steps, VALUES).cost == pytest.approx(2 * built(MEANS).cost, rel=1e-6)


def test_training_finds_the_best_scales(steps):
    built = steps("imtl_l")
    for _ in range(300):
        built(MEANS, rate=0.1)
    np.testing.assert_allclose(built.value(LOGS), -np.log(MEANS), atol=1e-4)


def test_equals_torchjd(steps):
    torch, scalarization = (
        pytest.importorskip("torch"),
        pytest.importorskip("torchjd.scalarization"),
    )
    peer = scalarization.IMTLL(3)
    (scales,) = peer.parameters()
    scales.data = torch.tensor(VALUES, dtype=torch.float32)
    values = torch.tensor(MEANS, dtype=torch.float32, requires_grad=True)
    cost = peer(values)
    cost.backward()
    found = at(steps, VALUES)
    assert found.cost == pytest.approx(float(cost), rel=1e-6)
    np.testing.assert_allclose(found.gradients, values.grad, rtol=1e-6)
    np.testing.assert_allclose(found.trained[LOGS], scales.grad, rtol=1e-5)
