"""mtl.objectives.excess: the weights of a loop in NumPy and in TorchJD."""

import numpy as np
import pytest

import helpers
from tests import objective_steps

MEANS = np.array([0.3, 7.0, 1.9])


@pytest.fixture
def rows():
    """A function (**fields) -> objective_steps.Rows of excess."""
    opened = []

    def build(**fields):
        opened.append(objective_steps.Rows("excess", **fields))
        return opened[-1]

    yield build
    for each in opened:
        each.close()


def random_rows(steps, seed=0, scales=(1.0, 10.0, 0.1)):
    shape = [steps, 3, objective_steps.Rows.PARAMETERS]
    return np.random.default_rng(seed).normal(size=shape) * np.array(scales)[:, np.newaxis]


@pytest.mark.parametrize("warmup", [1, 3])
def test_weights_equal_a_loop(rows, warmup):
    built, rate = rows(rate=0.7, warmup=warmup), 0.7
    squares, first, logs = np.zeros([3, 10]), np.zeros(3), np.log(np.full(3, 1 / 3))
    for step, gradients in enumerate(random_rows(8), start=1):
        found = built(MEANS, gradients)
        squares += gradients**2
        excess = (gradients**2 / np.sqrt(squares + 1e-7)).sum(axis=1)
        if step <= warmup:
            first += excess / warmup
        else:
            logs = np.log(helpers.softmax(logs + rate * excess / first))
        np.testing.assert_allclose(found.weights, np.exp(logs), rtol=1e-4)
        np.testing.assert_allclose(found.direction, np.exp(logs) @ gradients, rtol=1e-3, atol=1e-4)
        np.testing.assert_array_equal(found.tops, [1.0, 2.0, 3.0])
        assert found.weights.sum() == pytest.approx(1.0, rel=1e-5)
    assert np.ptp(found.weights) > 0.01


def test_without_a_rate_the_direction_is_that_of_linear(rows):
    built = rows(rate=0.0)
    for gradients in random_rows(4):
        found = built(MEANS, gradients)
        np.testing.assert_allclose(found.direction, gradients.mean(axis=0), rtol=1e-3, atol=1e-5)


def test_zero_gradients_give_no_nan(rows):
    built, gradients = rows(), random_rows(5)
    gradients[:, 1] = 0.0
    for each in gradients:
        found = built(np.zeros(3), each)
        assert np.isfinite(found.weights).all() and np.isfinite(found.direction).all()
    assert found.weights[1] < min(found.weights[0], found.weights[2])
    found = rows()(MEANS, np.zeros([3, 10]))
    np.testing.assert_allclose(found.weights, np.full(3, 1 / 3), rtol=1e-6)


def test_a_task_whose_first_excess_is_zero_never_takes_all_the_weight(rows):
    built, gradients = rows(), random_rows(4)
    gradients[0, 1] = 0.0
    for each in gradients:
        found = built(MEANS, each)
    assert found.weights[1] < min(found.weights[0], found.weights[2])


def test_a_step_without_a_label_does_not_change_the_weight_of_its_task(rows):
    built, gradients = rows(masked=True), random_rows(6)
    known = np.ones([6, 3], bool)
    known[[0, 3], 1] = False  # once in the warmup of task 1, and once after it
    gradients[~known] = 0.0
    found = [built(MEANS, each, known=mask).weights for each, mask in zip(gradients, known)]
    assert found[0][1] == pytest.approx(1 / 3) and found[1][1] == pytest.approx(1 / 3)
    assert found[3][1] == pytest.approx(found[2][1], rel=1e-5) != pytest.approx(1 / 3)
    for each in found:
        assert each.sum() == pytest.approx(1.0, rel=1e-5)


def test_equal_gradients_have_equal_weights(rows):
    built = rows()
    for each in random_rows(4):
        found = built(MEANS, np.tile(each[:1], (3, 1)))
    np.testing.assert_allclose(found.weights, np.full(3, 1 / 3), rtol=1e-6)


@pytest.mark.parametrize("scales", [(1.0, 10.0, 0.1), (1e4, 1.0, 1e-2)])
def test_equals_torchjd(rows, scales):
    torch, aggregation = pytest.importorskip("torch"), pytest.importorskip("torchjd.aggregation")
    # Without a warmup, TorchJD's first step is not divided by the first excess.
    peer, built = aggregation.ExcessMTL(0.5, n_warmup_steps=2), rows(rate=0.5, warmup=2)
    for gradients in np.float32(random_rows(7, 3, scales)):
        expected = peer(torch.tensor(gradients)).numpy()
        found = built(MEANS, gradients).direction
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
