"""mtl.objectives.stch: bounds, the family of the answer and the plain sum, and the nadir."""

import math

import numpy as np
import pytest

import helpers
from mtl.objectives import stch

MEANS = np.array([0.3, 7.0, 1.9])
NAMED = dict(zip(["task0", "task1", "task2"], MEANS))


def direction(gradient):
    """Return a vector divided by its length, in float64."""
    return np.float64(gradient) / np.linalg.norm(np.float64(gradient))


@pytest.mark.parametrize("mu", [0.05, 0.5, 3.0])
@pytest.mark.parametrize("logs", [0, 1])
def test_value_and_gradient_equal_numpy(steps, mu, logs):
    weights = {"task0": 2.0, "task1": 0.5, "task2": 1.0}
    found = steps("stch", mu=mu, logs=logs, weights=weights)(MEANS)
    values = np.log(MEANS) if logs else MEANS
    slopes = 1 / MEANS if logs else np.ones(3)
    scaled = np.array([2.0, 0.5, 1.0]) * values / mu
    cost = mu * (scaled.max() + np.log(np.exp(scaled - scaled.max()).sum()))
    assert found.cost == pytest.approx(cost, rel=1e-5, abs=1e-6)
    gradient = helpers.softmax(scaled) * np.array([2.0, 0.5, 1.0]) * slopes
    np.testing.assert_allclose(found.gradients, gradient, rtol=1e-4, atol=1e-7)
    problem = helpers.problem({}, "stch", mu=mu, logs=logs, weights=weights)
    assert stch.value(NAMED, problem.settings) == pytest.approx(cost, rel=1e-10)


@pytest.mark.parametrize("mu", [0.01, 0.5, 20.0])
def test_the_cost_is_a_soft_maximum(steps, mu):
    for logs, values in ((0, MEANS), (1, np.log(MEANS))):
        cost = steps("stch", mu=mu, logs=logs)(MEANS).cost
        assert values.max() - 1e-5 <= cost <= values.max() + mu * math.log(3) + 1e-5


def test_the_answer_and_the_plain_sum_are_two_points_of_one_family(steps):
    # With mu = 1, the gradient is that of log(sum of L): the direction of the plain sum.
    plain_sum = steps("linear")(MEANS).gradients
    found = steps("stch", mu=1.0)(MEANS).gradients
    np.testing.assert_allclose(direction(found), direction(plain_sum), rtol=1e-6)
    # The larger mu, the closer to the answer. It is the limit, not a setting.
    answer = steps("log_sum")(MEANS).gradients
    angles = []
    for mu in (1.0, 10.0, 100.0, 1e4):
        found = steps("stch", mu=mu)(MEANS).gradients
        angles.append(np.abs(direction(found) - direction(answer)).max())
    assert angles == sorted(angles, reverse=True) and angles[0] > 0.3 and angles[-1] < 1e-4
    # In between, the weight of a task is L^(1/mu - 1), up to a common factor.
    found = steps("stch", mu=2.5)(MEANS).gradients
    np.testing.assert_allclose(direction(found), direction(MEANS ** (1 / 2.5 - 1)), rtol=1e-5)


def test_a_small_mu_trains_the_largest_loss(steps):
    found = steps("stch", mu=0.01)(MEANS).gradients
    np.testing.assert_allclose(found, [0.0, 1 / 7.0, 0.0], rtol=1e-5, atol=1e-10)


def test_a_loss_of_zero(steps):
    found = steps("stch", mu=2.0)([0.0, 7.0, 1.9])
    assert np.isfinite(found.cost) and found.gradients[0] == 0.0 and found.gradients[1] > 0.0
    found = steps("stch", mu=2.0, logs=0)([0.0, 7.0, 1.9])
    np.testing.assert_allclose(found.gradients, helpers.softmax([0.0, 3.5, 0.95]), rtol=1e-5)


def test_a_task_without_labels_does_not_count(steps):
    built = steps("stch", masked=True, mu=2.0)
    found = built([1.0, 7.0, 1.9], known=[False, True, True])
    alone = steps("stch", count=2, mu=2.0)([7.0, 1.9])
    assert found.cost == pytest.approx(alone.cost, rel=1e-6)
    np.testing.assert_allclose(found.gradients, [0.0, *alone.gradients], rtol=1e-6)


# -- the nadir -------------------------------------------------------------------------------------


def test_the_first_steps_train_log_sum_and_measure_the_nadir(steps):
    built = steps("stch", mu=0.3, nadir_steps=2)
    for mean in ([1.0, 2.0, 4.0], [3.0, 2.0, 2.0]):
        found, answer = built(mean), steps("log_sum")(mean)
        assert found.cost == pytest.approx(answer.cost, rel=1e-6)
        np.testing.assert_allclose(found.gradients, answer.gradients, rtol=1e-6)
    for _ in range(2):  # the nadir is fixed then
        found, plain = built(MEANS), steps("stch", mu=0.3)(MEANS / [2.0, 2.0, 3.0])
        assert found.cost == pytest.approx(plain.cost, rel=1e-5)
        np.testing.assert_allclose(found.gradients, plain.gradients / [2, 2, 3], rtol=1e-5)


def test_the_nadir_counts_only_batches_with_a_label_and_is_never_zero(steps):
    built = steps("stch", masked=True, mu=0.3, nadir_steps=2)
    built([1.0, 2.0, 0.0], known=[False, True, True])
    built([5.0, 3.0, 0.0], known=[True, True, True])
    found = built([5.0, 2.5, 2.0], known=[True] * 3)
    np.testing.assert_allclose(found.cost, 0.3 * np.log(2 + 2 ** (1 / 0.3)), rtol=1e-5)


def test_a_measured_nadir_has_no_cost_in_evaluations():
    assert helpers.value_of("stch", objective_options="nadir_steps:5")(NAMED) is None
    assert helpers.value_of("stch")(NAMED) is not None


@pytest.mark.parametrize("mu", [0.1, 1.0])
def test_equals_torchjd(steps, mu):
    torch, scalarization = (
        pytest.importorskip("torch"),
        pytest.importorskip("torchjd.scalarization"),
    )
    values = torch.tensor(MEANS, dtype=torch.float32, requires_grad=True)
    scalarization.STCH(mu, weights=torch.ones(3))(values).backward()
    np.testing.assert_allclose(
        steps("stch", mu=mu, logs=0)(MEANS).gradients, values.grad, rtol=1e-4, atol=1e-8
    )
    values.grad = None
    scalarization.STCH(mu, weights=torch.ones(3))(torch.log(values)).backward()
    np.testing.assert_allclose(steps("stch", mu=mu)(MEANS).gradients, values.grad, rtol=1e-4)
