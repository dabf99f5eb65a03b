"""mtl.objectives.geometric: the mean in NumPy and TorchJD, and its tie to log_sum."""

import numpy as np
import pytest

import helpers
from mtl.objectives import geometric

MEANS = [0.3, 7.0, 1.9]


def test_value_and_gradient_equal_numpy(steps):
    found = steps("geometric")(MEANS)
    cost = np.prod(MEANS) ** (1 / 3)
    assert found.cost == pytest.approx(cost, rel=1e-6)
    np.testing.assert_allclose(found.gradients, cost / 3 / np.array(MEANS), rtol=1e-6)
    np.testing.assert_allclose(found.terms, MEANS, rtol=1e-6)
    value = helpers.value_of("geometric")
    assert value(dict(zip("abc", MEANS))) == pytest.approx(cost, rel=1e-12)
    assert value({"a": 0.3, "c": 1.9}) == pytest.approx((0.3 * 1.9) ** 0.5, rel=1e-12)


def test_gradient_is_that_of_log_sum_times_the_cost_over_k(steps):
    found, answer = steps("geometric")(MEANS), steps("log_sum")(MEANS)
    np.testing.assert_allclose(found.gradients, found.cost / 3 * answer.gradients, rtol=1e-5)


def test_extreme_losses_do_not_overflow(steps):
    found = steps("geometric")([1e30, 1e-30, 2e36])
    assert found.cost == pytest.approx(2e36 ** (1 / 3), rel=1e-4)


def test_a_loss_of_zero_counts_as_the_floor(steps):
    found = steps("geometric")([0.0, 2.0, 3.0])
    cost = (1e-37 * 6) ** (1 / 3)
    assert found.cost == pytest.approx(cost, rel=1e-4)
    np.testing.assert_allclose(found.gradients, [0, cost / 6, cost / 9], rtol=1e-4)
    found = steps("geometric", clip_min=0.1)([0.0, 2.0, 3.0])
    assert found.cost == pytest.approx(0.6 ** (1 / 3), rel=1e-6)
    assert found.gradients[0] == 0.0


def test_a_task_without_labels_does_not_count(steps):
    built = steps("geometric", masked=True)
    found = built([geometric.NEUTRAL, 2.0, 8.0], known=[False, True, True])
    assert found.cost == pytest.approx(4.0, rel=1e-6)
    np.testing.assert_allclose(found.gradients, [0.0, 1.0, 0.25], rtol=1e-6)
    nothing = built([1.0, 1.0, 1.0], known=[False] * 3)
    assert nothing.cost == 1.0 and not nothing.gradients.any()


def test_equals_torchjd(steps):
    torch, scalarization = (
        pytest.importorskip("torch"),
        pytest.importorskip("torchjd.scalarization"),
    )
    values = torch.tensor(MEANS, requires_grad=True)
    cost = scalarization.GeometricMean()(values)
    cost.backward()
    found = steps("geometric")(MEANS)
    assert found.cost == pytest.approx(float(cost), rel=1e-6)
    np.testing.assert_allclose(found.gradients, values.grad, rtol=1e-5)
