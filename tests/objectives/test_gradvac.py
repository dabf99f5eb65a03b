"""mtl.objectives.gradvac: turned gradients, and the running means of the cosines."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl.objectives import gradvac, pcgrad
from tests import gradient_cases as cases

BETA = 0.3


def both(gram, order, targets):
    """Build (weights, new targets) for BETA, and for beta 0, and the weights of pcgrad."""
    vaccines = [gradvac.weights(gram, order, targets, beta) for beta in (BETA, 0.0)]
    return [*vaccines[0], *vaccines[1], pcgrad.weights(gram, order)]


@pytest.fixture(scope="module")
def weights():
    with cases.solver(both, tf.int32, tf.float64) as found:
        yield found


def draw(count, seed=0):
    """Return an order and targets."""
    rng = np.random.default_rng([seed, count])
    order = np.array([rng.permutation(count) for _ in range(count)])
    return order, rng.uniform(-0.3, 0.6, size=(count, count))


def cosine(a, b):
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


def turned(rows, order, targets):
    """Return the turned gradients and the new targets, by the loops of the paper's algorithm 1."""
    found, targets = rows.copy(), targets.copy()
    for index, visited in enumerate(order):
        for other in visited:
            if other == index or not rows[other].any() or not found[index].any():
                continue
            c, t = cosine(found[index], rows[other]), targets[index, other]
            if c < t:
                sines = np.sqrt(1.0 - c * c), np.sqrt(1.0 - t * t)
                ratio = np.linalg.norm(found[index]) / (np.linalg.norm(rows[other]) * sines[1])
                found[index] += ratio * (t * sines[0] - c * sines[1]) * rows[other]
                assert cosine(found[index], rows[other]) == pytest.approx(t, abs=1e-6)
            targets[index, other] = (1 - BETA) * t + BETA * c
    return found, targets


@pytest.mark.parametrize("kind", cases.KINDS + ("all zero", "equal"))
def test_equals_the_loops_of_the_paper(weights, kind):
    for count in cases.COUNTS:
        rows, (order, targets) = cases.jacobian(kind, count), draw(count)
        expected, expected_targets = turned(rows, order, targets)
        found, new, *_ = weights(rows, order, targets)
        error = np.abs(found @ rows - expected.sum(axis=0)).max()
        assert error <= 1e-7 * max(np.abs(expected).max(), 1e-300)
        np.testing.assert_allclose(new, expected_targets, atol=1e-6)


@pytest.mark.parametrize("kind", cases.KINDS)
def test_with_beta_0_targets_stay_0_and_it_is_pcgrad(weights, kind):
    for count in cases.COUNTS:
        rows, (order, _) = cases.jacobian(kind, count), draw(count)
        *_, found, targets, expected = weights(rows, order, np.zeros((count, count)))
        np.testing.assert_array_equal(targets, np.zeros((count, count)))
        size = np.abs(expected @ rows).max() + 1e-6 * np.abs(rows).max()
        assert np.abs((found - expected) @ rows).max() <= 1e-6 * size


@pytest.mark.parametrize("kind", cases.DEGENERATE)
def test_degenerate_gradients_are_finite(weights, kind):
    for count in cases.COUNTS:
        order, targets = draw(count)
        for each in (targets, np.zeros_like(targets), np.ones_like(targets)):
            found, new, *_ = weights(cases.jacobian(kind, count), order, each)
            assert np.isfinite(found).all() and (np.abs(new) <= 1.0).all()


def test_a_gradient_of_zero_changes_nothing(weights):
    rows, (order, targets) = cases.jacobian("one zero", 3), draw(3)
    zero = int(np.flatnonzero(~rows.any(axis=1))[0])
    found, new, *_ = weights(rows, order, targets)
    others = [index for index in range(3) if index != zero]
    assert found[zero] == 1.0  # of a gradient of 0
    np.testing.assert_array_equal(new[zero], targets[zero])
    np.testing.assert_array_equal(new[:, zero], targets[:, zero])
    assert (new[others, others[::-1]] != targets[others, others[::-1]]).all()


@pytest.mark.parametrize("kind", [kind for kind in cases.KINDS if kind != "one zero"])
def test_equals_torchjd_for_the_same_order(weights, kind, monkeypatch):
    torch, peers = pytest.importorskip("torch"), pytest.importorskip("torchjd.aggregation")
    for count in cases.COUNTS:
        rows, (order, _) = cases.jacobian(kind, count), draw(count)
        # TorchJD permutes the positions in the list of the other tasks.
        others = [each[each != index] for index, each in enumerate(order)]
        positions = [each - (each > index) for index, each in enumerate(others)]
        give = iter([*positions, *positions]).__next__
        monkeypatch.setattr(torch, "randperm", lambda size, give=give: torch.tensor(give()))
        peer = peers.GradVac(beta=BETA, eps=0.0)
        targets = np.zeros((count, count))
        for seed in (0, 1):  # the second call starts from the targets of the first
            rows = cases.jacobian(kind, count, seed=seed)
            expected = peer(torch.tensor(rows)).numpy()
            found, targets, *_ = weights(rows, order, targets)
            assert np.abs(found @ rows - expected).max() <= 1e-6 * np.abs(expected).max()
