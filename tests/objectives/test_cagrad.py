"""mtl.objectives.cagrad: the best worst product in a ball around the mean gradient."""

import functools

import numpy as np
import pytest

from mtl.objectives import cagrad
from tests import gradient_cases as cases

RADII = (0.1, 0.5, 2.0)


def all_radii(gram):
    return [cagrad.weights(gram, c) for c in RADII]


@pytest.fixture(scope="module")
def weights():
    with cases.solver(all_radii) as found:
        yield found


@functools.cache
def bound_of(kind, count, c):
    """Return the least of w . J g0 + c norm(g0) norm(g_w), for weights w found by coordinates.

    By duality, no d has a larger worst product. Each sweep moves weight between all pairs.
    """
    rows = cases.jacobian(kind, count)
    rows = rows[rows.any(axis=1)]
    mean = cases.jacobian(kind, count).mean(axis=0)

    def value(w):
        return w @ (rows @ mean) + c * np.linalg.norm(mean) * np.linalg.norm(w @ rows)

    w = np.eye(len(rows))[min(range(len(rows)), key=lambda each: value(np.eye(len(rows))[each]))]
    for shift in np.repeat(0.5 ** np.arange(1, 24), 3):
        for source in range(len(rows)):
            for target in range(len(rows)):
                moved = w.copy()
                moved[source] -= shift * w[source]
                moved[target] += shift * w[source]
                w = min((w, moved), key=value)
    return value(w)


@pytest.mark.parametrize("kind", [kind for kind in cases.KINDS if kind != "scales"])
def test_worst_product_reaches_its_bound(weights, kind):
    for count in (2, 3, 5):
        rows = cases.jacobian(kind, count)
        used = rows[rows.any(axis=1)]
        size = np.linalg.norm(rows.mean(axis=0)) * np.linalg.norm(used, axis=1).min()
        for found, c in zip(weights(rows), RADII):
            worst = (used @ (found @ rows)).min()
            bound = bound_of(kind, count, c)
            assert bound - 1e-6 * size <= worst <= bound + 1e-6 * size


@pytest.mark.parametrize("kind", cases.KINDS + cases.DEGENERATE)
def test_stays_in_the_ball_around_the_mean(weights, kind):
    for count in (*cases.COUNTS, 40):
        rows = cases.jacobian(kind, count, numbers=31)  # 40 gradients depend on each other linearly
        mean, largest = rows.mean(axis=0), np.abs(rows).max()
        for found, c in zip(weights(rows), RADII):
            assert np.isfinite(found).all()
            distance = np.linalg.norm(found @ rows - mean)
            assert distance <= (1 + 1e-6) * c * np.linalg.norm(mean) + 1e-9 * largest


@pytest.mark.parametrize("kind", [kind for kind in cases.KINDS if kind != "one zero"])
def test_is_the_mean_and_a_convex_combination_of_fixed_length(weights, kind):
    for count in cases.COUNTS:
        rows = cases.jacobian(kind, count)
        mean = rows.mean(axis=0)
        for found, c in zip(weights(rows), RADII):
            extra = found - 1.0 / count
            assert (extra * np.linalg.norm(rows, axis=1) >= -1e-5 * np.linalg.norm(mean)).all()
            length = np.linalg.norm(extra @ rows)
            assert length == pytest.approx(c * np.linalg.norm(mean), rel=1e-5)


def test_radius_0_gives_the_mean():
    with cases.solver(lambda gram: cagrad.weights(gram, 0.0)) as found:
        np.testing.assert_array_equal(found(cases.jacobian("plain", 4)), np.full(4, 0.25))


def test_a_gradient_of_zero_counts_only_in_the_mean(weights):
    rows = cases.jacobian("one zero", 3)
    zero = int(np.flatnonzero(~rows.any(axis=1))[0])
    for found in weights(rows):
        assert found[zero] == pytest.approx(1 / 3)
        assert np.linalg.norm(found @ rows) > 0.1


@pytest.mark.parametrize("kind", [kind for kind in cases.KINDS if kind != "one zero"])
def test_equals_torchjd(weights, kind):
    torch, peers = pytest.importorskip("torch"), pytest.importorskip("torchjd.aggregation")
    pytest.importorskip("cvxpy"), pytest.importorskip("clarabel")
    for count in cases.COUNTS:
        rows = cases.jacobian(kind, count)
        peer = peers.CAGrad(c=0.5, norm_eps=1e-12)(torch.tensor(rows)).numpy()
        found = weights(rows)[RADII.index(0.5)] @ rows
        # The peer's solver stops at 1e-8 of the cost, about 1e-4 of the direction.
        tolerance = 0.03 if kind == "scales" else 1e-3
        assert np.linalg.norm(found - peer) <= tolerance * np.linalg.norm(peer)
        smallest = np.linalg.norm(rows, axis=1).min() * np.linalg.norm(rows.mean(axis=0))
        assert (rows @ found).min() >= (rows @ peer).min() - 1e-6 * smallest
