"""mtl.objectives.mgda: the shortest vector of the hull."""

import numpy as np
import pytest

from mtl.objectives import mgda
from tests import gradient_cases as cases

REGULAR = [kind for kind in cases.KINDS if kind != "one zero"]


@pytest.fixture(scope="module")
def weights():
    with cases.solver(mgda.weights) as found:
        yield found


def shortest(rows):
    """Return the shortest vector of the hull: of all subsets, that with the least norm.

    The shortest point of the plane through some gradients is in their hull if its weights are
    positive.
    """
    best = rows[np.linalg.norm(rows, axis=1).argmin()]
    for chosen in cases.subsets(len(rows)):
        norms = np.linalg.norm(rows[chosen], axis=1)
        unit = rows[chosen] / norms[:, np.newaxis]
        found = np.linalg.solve(unit @ unit.T, 1.0 / norms) / norms
        point = found @ rows[chosen] / found.sum()
        if (found >= 0.0).all() and point @ point < best @ best:
            best = point
    return best


@pytest.mark.parametrize("kind", REGULAR)
def test_equals_the_best_of_all_subsets(weights, kind):
    for count in cases.COUNTS:
        rows = cases.jacobian(kind, count)
        found, expected = weights(rows), shortest(rows)
        assert (found >= 0.0).all() and found.sum() == pytest.approx(1.0, rel=1e-12)
        smallest = np.linalg.norm(rows, axis=1).min()
        assert np.abs(found @ rows - expected).max() <= 1e-8 * smallest


@pytest.mark.parametrize("kind", REGULAR + ["equal", "opposite", "stationary", "one direction"])
def test_no_product_is_smaller_than_the_squared_norm(weights, kind):
    for count in (*cases.COUNTS, 40):
        rows = cases.jacobian(kind, count, numbers=31)  # 40 gradients depend on each other linearly
        found = weights(rows) @ rows
        norms = np.linalg.norm(rows, axis=1)
        assert (rows @ found - found @ found >= -1e-6 * norms * norms.min()).all()


@pytest.mark.parametrize("kind", ["opposite", "stationary"])
def test_is_zero_if_the_gradients_can_cancel(weights, kind):
    for count in cases.COUNTS:
        rows = cases.jacobian(kind, count)
        smallest = np.linalg.norm(rows, axis=1).min()
        assert np.linalg.norm(weights(rows) @ rows) <= 1e-5 * smallest


@pytest.mark.parametrize("kind", ["one zero", "all zero"])
def test_a_gradient_of_zero_stops_the_bottom(weights, kind):
    for count in cases.COUNTS:
        rows = cases.jacobian(kind, count)
        found = weights(rows)
        assert found.sum() == pytest.approx(1.0)
        np.testing.assert_array_equal(found @ rows, np.zeros(rows.shape[1]))


@pytest.mark.parametrize("kind", cases.KINDS)
def test_equals_torchjd(weights, kind):
    torch, peers = pytest.importorskip("torch"), pytest.importorskip("torchjd.aggregation")
    for count in cases.COUNTS:
        rows = cases.jacobian(kind, count)
        found = weights(rows) @ rows
        peer = peers.MGDA(epsilon=1e-9, max_iters=2000)(torch.tensor(rows)).numpy()
        # Frank-Wolfe is exact for two tasks. For more it converges slowly, and its weights of 1/t
        # are far too large for a gradient that is 1e8 times as long as another.
        smallest = np.linalg.norm(rows, axis=1).min()
        assert found @ found <= peer @ peer + 1e-9 * smallest**2
        if count == 2 or kind != "scales":
            tolerance = 1e-9 if count == 2 else 0.03
            assert np.linalg.norm(found - peer) <= tolerance * smallest
