"""mtl.objectives.famo: the weights of a loop in NumPy and in TorchJD, and its ties to log_sum."""

import numpy as np
import pytest

import helpers

MEANS = np.array([0.3, 7.0, 1.9])
OPTIONS = {"rate": 0.025, "decay": 1e-3}


def falling(count, seed=0):
    """Return losses before and after each step, both [count, 3]."""
    rng = np.random.default_rng(seed)
    before = np.float32(rng.uniform(0.1, 9.0, size=[count, 3]))
    return before, np.float32(before * rng.uniform(0.8, 1.05, size=[count, 3]))


def weights_of(logits, means):
    """Return c z / L."""
    shares = helpers.softmax(logits) / means
    return shares / shares.sum()


def test_weights_equal_a_loop_with_adam(steps):
    built, (before, after) = steps("famo", **OPTIONS), falling(12)
    logits, mean, variance = np.zeros([3, 3])
    for step, (old, new) in enumerate(zip(np.float64(before), np.float64(after)), start=1):
        found = built(old, after=new)
        np.testing.assert_allclose(found.weights, weights_of(logits, old), rtol=1e-4)
        np.testing.assert_allclose(found.gradients, found.weights, rtol=1e-5)
        assert found.weights.sum() == pytest.approx(1.0, rel=1e-6)
        shares, change = helpers.softmax(logits), np.log(old) - np.log(new)
        scale = 1 / (shares / old).sum()
        assert found.cost == pytest.approx((scale * shares * np.log(old)).sum(), rel=1e-4)
        gradient = shares * (change - (shares * change).sum()) + OPTIONS["decay"] * logits
        mean = 0.9 * mean + 0.1 * gradient
        variance = 0.999 * variance + 0.001 * gradient**2
        root = np.sqrt(variance / (1 - 0.999**step)) + 1e-8
        logits = logits - OPTIONS["rate"] * mean / (1 - 0.9**step) / root
    np.testing.assert_allclose(built.value("objective/logits"), logits, rtol=1e-3, atol=1e-5)
    assert np.abs(logits).max() > 0.05


def test_equal_logits_give_the_direction_of_log_sum(steps):
    built = steps("famo", rate=0.0)  # they stay equal
    for _ in range(2):
        found, answer = built(MEANS, after=MEANS / 2), steps("log_sum")(MEANS)
        expected = answer.gradients / answer.gradients.sum()
        np.testing.assert_allclose(found.gradients, expected, rtol=1e-5)


def test_a_task_that_falls_faster_loses_weight(steps):
    built = steps("famo", **OPTIONS)
    for _ in range(20):
        built(np.ones(3), after=[0.5, 0.9, 0.9])
    logits = built.value("objective/logits")
    assert logits[0] < logits[1] == pytest.approx(logits[2])


@pytest.mark.parametrize("mean", [0.0, 1e-38, np.inf])
def test_a_loss_outside_the_clip_has_no_weight(steps, mean):
    built = steps("famo", **OPTIONS)
    found = built([mean, 7.0, 1.9], after=[mean, 6.0, 1.8])
    np.testing.assert_allclose(found.weights[1:], weights_of([0.0, 0.0], [7.0, 1.9]), rtol=1e-5)
    assert found.weights[0] == found.gradients[0] == 0.0 and np.isfinite(found.cost)
    assert np.isfinite(built.value("objective/logits")).all()


def test_all_losses_at_zero(steps):
    built = steps("famo", **OPTIONS)
    found = built(np.zeros(3))
    assert not found.weights.any() and not found.gradients.any() and np.isfinite(found.cost)
    assert np.isfinite(built.value("objective/logits")).all()


def test_a_task_without_labels_has_no_weight(steps):
    built = steps("famo", masked=True, **OPTIONS)
    found = built([1.0, 7.0, 1.9], after=[1.0, 6.0, 1.8], known=[False, True, True])
    np.testing.assert_allclose(found.gradients[1:], weights_of([0, 0], [7.0, 1.9]), rtol=1e-5)
    assert found.gradients[0] == 0.0


def test_a_task_without_labels_changes_no_logit(steps):
    logits = {}
    for loss in (0.5, 1.9):
        built = steps("famo", masked=True, **OPTIONS)
        built([1.0, 7.0, 1.9], after=[loss, 6.0, 1.8], known=[False, True, True])
        logits[loss] = built.value("objective/logits")
    np.testing.assert_array_equal(logits[0.5], logits[1.9])
    assert logits[0.5][0] == 0.0 and logits[0.5][1] < 0.0 < logits[0.5][2]


def test_equals_torchjd(steps):
    torch, scalarization = (
        pytest.importorskip("torch"),
        pytest.importorskip("torchjd.scalarization"),
    )
    peer, built = scalarization.FAMO(3, lr=0.025, weight_decay=1e-3), steps("famo", **OPTIONS)
    for old, new in zip(*falling(15, seed=4)):
        values = torch.tensor(old, requires_grad=True)
        cost = peer(values)
        cost.backward()
        peer.update(torch.tensor(new))
        found = built(old, after=new)
        assert found.cost == pytest.approx(float(cost.detach()), rel=1e-4, abs=1e-5)
        np.testing.assert_allclose(found.gradients, values.grad, rtol=1e-4)
