"""mtl.objectives.upgrad: the mean of projections on the cone of vectors that raise no loss."""

import numpy as np
import pytest

from mtl.objectives import upgrad
from tests import gradient_cases as cases


@pytest.fixture(scope="module")
def weights():
    with cases.solver(upgrad.weights) as found:
        yield found


def project(row, others):
    """Return the nearest vector to a row with no negative product, by trying all subsets.

    On the subset of the constraints that hold with equality, the multipliers are positive.
    """
    units = cases.units(others)
    size = np.linalg.norm(row)
    candidates = [row]
    for chosen in cases.subsets(len(units)):
        active = units[chosen]
        found = np.linalg.lstsq(active @ active.T, -active @ row, rcond=1e-12)[0]
        if (found >= -1e-9 * size).all():
            candidates.append(row + found @ active)
    valid = [each for each in candidates if (units @ each >= -1e-9 * size).all()]
    return min(valid, key=lambda each: np.linalg.norm(each - row))


@pytest.mark.parametrize("kind", cases.KINDS + ("equal", "opposite"))
def test_equals_the_best_of_all_subsets(weights, kind):
    for count in (2, 3, 5):
        rows = cases.jacobian(kind, count)
        expected = np.mean([project(row, rows) for row in rows], axis=0)
        largest = np.linalg.norm(rows, axis=1).max()
        assert np.abs(weights(rows) @ rows - expected).max() <= 1e-6 * largest


@pytest.mark.parametrize("kind", cases.KINDS + cases.DEGENERATE)
def test_no_product_is_negative(weights, kind):
    for count in (*cases.COUNTS, 40):
        rows = cases.jacobian(kind, count, numbers=31)  # 40 gradients depend on each other linearly
        found = weights(rows)
        assert (found >= 0.0).all()
        largest = np.linalg.norm(rows, axis=1).max()
        if rows.any():
            assert (cases.units(rows) @ (found @ rows)).min() >= -1e-6 * largest


def test_without_conflict_it_is_the_mean(weights):
    rows = np.abs(cases.jacobian("plain", 5))
    np.testing.assert_allclose(weights(rows), np.full(5, 0.2), rtol=1e-12)


def test_gradients_that_can_cancel_give_no_update(weights):
    for rows in (cases.jacobian("opposite", 2), cases.jacobian("stationary", 3)):
        assert np.linalg.norm(weights(rows) @ rows) <= 1e-5 * np.linalg.norm(rows)
    np.testing.assert_array_equal(weights(np.zeros((3, 7))), np.zeros(3))


@pytest.mark.parametrize("kind", cases.KINDS)
def test_equals_torchjd(weights, kind):
    torch, peers = pytest.importorskip("torch"), pytest.importorskip("torchjd.aggregation")
    projector = pytest.importorskip("torchjd.linalg").QuadprogProjector
    pytest.importorskip("qpsolvers"), pytest.importorskip("quadprog")
    for count in cases.COUNTS:
        rows = cases.jacobian(kind, count)
        # The term must be smaller than the least squared norm, here 1e-16 of the sum of them.
        peer = peers.UPGrad(projector=projector(norm_eps=0.0, reg_eps=1e-21))
        if kind == "one zero":
            peer = peers.UPGrad(projector=projector(norm_eps=0.0, reg_eps=1e-13))
        expected = peer(torch.tensor(rows)).numpy()
        error = np.linalg.norm(weights(rows) @ rows - expected)
        # With lengths of 1e-4 and 1e4, even 1e-21 of the trace moves the peer's d by 1e-5.
        assert error <= (1e-4 if kind == "scales" else 1e-6) * np.linalg.norm(expected)
