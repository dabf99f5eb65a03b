"""mtl.objectives.rlw: weights that are a function of the seed and the step."""

import numpy as np
import pytest

MEANS = np.array([0.3, 7.0, 1.9])


def test_weights_sum_to_one_and_weigh_the_losses(steps):
    found = steps("rlw", seed=3)(MEANS, step=5)
    assert found.weights.sum() == pytest.approx(1.0, rel=1e-6)
    assert (found.weights > 0.0).all() and len(set(found.weights)) == 3
    np.testing.assert_array_equal(found.gradients, found.weights)
    assert found.cost == pytest.approx((found.weights * MEANS).sum(), rel=1e-6)


def test_weights_depend_on_the_seed_and_the_step_only(steps):
    first, second = steps("rlw", seed=3), steps("rlw", seed=3)
    np.testing.assert_array_equal(first(MEANS, step=5).weights, second([1, 1, 1], step=5).weights)
    assert (first(MEANS, step=5).weights != first(MEANS, step=6).weights).all()
    assert (first(MEANS, step=5).weights != steps("rlw", seed=4)(MEANS, step=5).weights).all()


def test_all_tasks_have_the_same_mean_weight(steps):
    built = steps("rlw", seed=1)
    weights = np.array([built(MEANS, step=step).weights for step in range(2000)])
    # The standard deviation of a softmax of three normals is 0.21: 0.005 of the mean of 2000.
    np.testing.assert_allclose(weights.mean(axis=0), np.full(3, 1 / 3), atol=0.02)
    logits = np.log(weights)
    gaps = logits - logits.mean(axis=1, keepdims=True)
    # A normal minus the mean of three has the variance 2/3.
    np.testing.assert_allclose(gaps.std(axis=0), np.full(3, np.sqrt(2 / 3)), rtol=0.06)


def test_a_loss_of_zero_and_a_large_seed(steps):
    found = steps("rlw", seed=2**31 - 1)([0.0, 7.0, 1.9], step=2**40)
    assert np.isfinite(found.cost) and found.weights.sum() == pytest.approx(1.0, rel=1e-6)


def test_equals_torchjd_for_the_same_normals(steps, monkeypatch):
    torch, peers = pytest.importorskip("torch"), pytest.importorskip("torchjd.scalarization")
    found = steps("rlw", seed=3)(MEANS, step=5)
    normals = torch.log(torch.tensor(found.weights))  # up to a constant, which the softmax removes
    monkeypatch.setattr(torch, "randn", lambda *shape, **settings: normals)
    cost = peers.Random()(torch.tensor(MEANS, dtype=torch.float32))
    assert found.cost == pytest.approx(float(cost), rel=1e-6)
