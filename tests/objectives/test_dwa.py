"""mtl.objectives.dwa: the weights of a loop in NumPy, its windows, and missing labels."""

import numpy as np
import pytest

import helpers

WINDOW, TEMPERATURE = 4, 0.7


def losses(count, seed=0):
    """Return positive losses that fall at different speeds, [count, 3]."""
    rng = np.random.default_rng(seed)
    decay = np.array([0.9, 0.99, 0.97]) ** np.arange(count)[:, np.newaxis]
    return np.float32(decay * rng.uniform(0.5, 2.0, size=[count, 3]))


def expected_weights(means, window, temperature):
    """Return the weights of each step, by a loop over whole windows."""
    weights = []
    for step in range(len(means)):
        full = step // window
        rates = np.ones(3)
        if full >= 2:
            last = means[(full - 1) * window : full * window].mean(axis=0)
            before = means[(full - 2) * window : (full - 1) * window].mean(axis=0)
            rates = last / before
        weights.append(3 * helpers.softmax(rates / temperature))
    return np.array(weights)


def test_weights_equal_a_loop_over_windows(steps):
    means = np.float64(losses(21))
    built = steps("dwa", window=WINDOW, temperature=TEMPERATURE)
    found = [built(mean) for mean in means]
    weights = np.array([each.weights for each in found])
    np.testing.assert_allclose(weights, expected_weights(means, WINDOW, TEMPERATURE), rtol=1e-5)
    np.testing.assert_allclose(weights.sum(axis=1), np.full(21, 3.0), rtol=1e-6)
    np.testing.assert_array_equal(weights[: 2 * WINDOW], np.ones([2 * WINDOW, 3]))
    assert abs(weights[-1] - 1).max() > 0.01
    for each, mean in zip(found, means):
        np.testing.assert_array_equal(each.gradients, each.weights)
        assert each.cost == pytest.approx((each.weights * mean).sum(), rel=1e-6)


def test_a_high_temperature_is_linear(steps):
    built = steps("dwa", window=1, temperature=1e6)
    for mean in losses(5):
        np.testing.assert_allclose(built(mean).weights, np.ones(3), rtol=1e-5)


def test_a_loss_of_zero_counts_as_an_unknown_rate(steps):
    built = steps("dwa", window=1, temperature=TEMPERATURE)
    for mean in ([0.0, 2.0, 4.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]):
        found = built(mean)
    # Of the second and the first loss: unknown, 1/2, 1/4.
    np.testing.assert_allclose(
        found.weights, 3 * helpers.softmax(np.array([1.0, 0.5, 0.25]) / TEMPERATURE), rtol=1e-5
    )
    built([0.0, 1.0, 1.0])
    found = built([0.0, 1.0, 1.0])  # of 0 and 1: it fell to nothing
    expected = 3 * helpers.softmax(np.array([0.0, 1.0, 1.0]) / TEMPERATURE)
    np.testing.assert_allclose(found.weights, expected, rtol=1e-5)
    np.testing.assert_allclose(built([1.0, 1.0, 1.0]).weights, np.ones(3), rtol=1e-6)


def test_batches_without_a_label_do_not_count(steps):
    built = steps("dwa", masked=True, window=2, temperature=TEMPERATURE)
    some, all_of = [False, True, True], [True] * 3
    built([0.0, 3.0, 1.0], known=some)
    built([8.0, 5.0, 1.0], known=all_of)
    np.testing.assert_array_equal(built.value("objective/last"), [8.0, 4.0, 1.0])
    built([0.0, 2.0, 1.0], known=some)
    built([0.0, 4.0, 1.0], known=some)
    # The first task had no label in this window, so its means stay.
    np.testing.assert_array_equal(built.value("objective/last"), [8.0, 3.0, 1.0])
    np.testing.assert_array_equal(built.value("objective/before"), [0.0, 4.0, 1.0])
    weights = built([1.0, 1.0, 1.0], known=all_of).weights
    rates = np.array([1.0, 0.75, 1.0])
    np.testing.assert_allclose(weights, 3 * helpers.softmax(rates / TEMPERATURE), rtol=1e-5)


def test_equals_torchjd(steps):
    torch, scalarization = (
        pytest.importorskip("torch"),
        pytest.importorskip("torchjd.scalarization"),
    )
    peer, built = scalarization.DWA(TEMPERATURE), steps("dwa", window=1, temperature=TEMPERATURE)
    for mean in losses(6):
        cost = peer(torch.tensor(mean))
        assert built(mean).cost == pytest.approx(float(cost), rel=1e-5)
        peer.step()
