"""mtl.objectives.uw_so: the softmax of 1 / L, and its limits."""

import numpy as np
import pytest

import helpers
from mtl.objectives import uw_so

MEANS = np.array([0.3, 7.0, 1.9])


def expected(means, temperature):
    return helpers.softmax(1.0 / np.array(means) / temperature)


@pytest.mark.parametrize("temperature", [0.3, 2.0, 50.0])
def test_weights_are_the_softmax_of_the_inverse_losses(steps, temperature):
    found = steps("uw_so", temperature=temperature)(MEANS)
    weights = expected(MEANS, temperature)
    np.testing.assert_allclose(found.weights, weights, rtol=1e-5)
    # The weights are constants: nothing flows through the softmax.
    np.testing.assert_allclose(found.gradients, weights, rtol=1e-5)
    assert found.weights.sum() == pytest.approx(1.0, rel=1e-6)
    assert found.cost == pytest.approx((weights * MEANS).sum(), rel=1e-5)
    value = helpers.value_of("uw_so", objective_options=f"temperature:{temperature}")
    assert value(dict(zip("abc", MEANS))) == pytest.approx((weights * MEANS).sum(), rel=1e-12)


def test_limits_of_the_temperature(steps):
    np.testing.assert_allclose(
        steps("uw_so", temperature=1e6)(MEANS).gradients, np.full(3, 1 / 3), rtol=1e-5
    )
    np.testing.assert_allclose(
        steps("uw_so", temperature=0.01)(MEANS).gradients, [1.0, 0.0, 0.0], atol=1e-7
    )


def test_the_first_order_in_the_inverse_temperature_is_the_direction_of_log_sum(steps):
    temperature = 1000.0
    found = steps("uw_so", temperature=temperature)(MEANS).gradients.astype(np.float64)
    answer = np.float64(steps("log_sum")(MEANS).gradients)
    tilt = (found - 1 / 3) * 3 * temperature
    np.testing.assert_allclose(tilt, answer - answer.mean(), atol=5e-3)


@pytest.mark.parametrize("temperature", [0.01, 10.0])
@pytest.mark.parametrize("means", [[0.0, 2.0, 3.0], [1e-38, 2.0, 3.0]])
def test_a_loss_of_zero_has_all_the_weight(steps, means, temperature):
    found = steps("uw_so", temperature=temperature)(means)
    np.testing.assert_array_equal(found.gradients, [1.0, 0.0, 0.0])
    assert found.cost == pytest.approx(means[0], abs=1e-37)
    assert helpers.value_of("uw_so")(dict(zip("abc", means))) == pytest.approx(means[0], abs=1e-30)


def test_a_task_without_labels_has_no_weight(steps):
    built = steps("uw_so", masked=True)
    found = built([uw_so.NEUTRAL, 7.0, 1.9], known=[False, True, True])
    np.testing.assert_allclose(found.weights, [0.0, *expected([7.0, 1.9], 10.0)], rtol=1e-5)
    assert np.isfinite(built([1.0, 1.0, 1.0], known=[False] * 3).cost)
