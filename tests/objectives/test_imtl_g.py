"""mtl.objectives.imtl_g: equal projections on the directions of all gradients."""

import numpy as np
import pytest

from mtl.objectives import imtl_g
from tests import gradient_cases as cases


@pytest.fixture(scope="module")
def weights():
    with cases.solver(imtl_g.weights) as found:
        yield found


@pytest.mark.parametrize("kind", cases.KINDS + ("equal",))
def test_projections_are_equal(weights, kind):
    for count in cases.COUNTS:
        rows = cases.jacobian(kind, count)
        found = weights(rows)
        assert found.sum() == pytest.approx(1.0, rel=1e-9)
        direction = found @ rows
        projections = cases.units(rows) @ direction
        spread = np.ptp(projections)
        assert spread <= 1e-6 * max(np.linalg.norm(direction), np.abs(found[:, None] * rows).max())


def test_rescaling_a_gradient_changes_only_the_length(weights):
    rows = cases.jacobian("conflicting", 5)
    first = weights(rows) @ rows
    rows[2] *= 1e4
    second = weights(rows) @ rows
    cosine = first @ second / (np.linalg.norm(first) * np.linalg.norm(second))
    assert abs(cosine) == pytest.approx(1.0, abs=1e-9)


def test_points_uphill_where_the_definition_does(weights):
    # v = (-2.33.., 3.33..): the product with 1 / norms is negative.
    rows = np.array([[1.0, 0.0], [8.0, 6.0]])
    rows[0] *= 0.05
    tilted = np.array([[1.0, 0.0, 0.0], [0.9, 0.43, 0.0], [0.9, 0.1, 0.42]])
    tilted *= np.array([[1.0], [1.0], [1e-3]])
    for each in (rows, tilted):
        direction = weights(each) @ each
        unit = np.linalg.solve(cases.units(each) @ cases.units(each).T, np.ones(len(each)))
        signed = np.sign((unit / np.linalg.norm(each, axis=1)).sum())
        assert (signed * (each @ direction) > 0.0).all()


@pytest.mark.parametrize("kind", cases.DEGENERATE)
def test_degenerate_gradients_are_finite(weights, kind):
    for count in cases.COUNTS:
        assert np.isfinite(weights(cases.jacobian(kind, count))).all()


def test_all_zero_and_opposite_gradients_give_no_weight(weights):
    np.testing.assert_array_equal(weights(np.zeros((3, 7))), np.zeros(3))


@pytest.mark.parametrize("kind", [kind for kind in cases.KINDS if kind != "scales"])
def test_equals_torchjd(weights, kind):
    # With lengths of 1e-4 and 1e4, the pseudo-inverse of TorchJD takes the small tasks for 0.
    torch, peers = pytest.importorskip("torch"), pytest.importorskip("torchjd.aggregation")
    for count in cases.COUNTS:
        rows = cases.jacobian(kind, count)
        for each in (rows, rows * np.logspace(-1, 1, count)[:, np.newaxis]):
            peer = peers.IMTLG()(torch.tensor(each)).numpy()
            error = np.linalg.norm(weights(each) @ each - peer)
            # The length is 1 over a sum that nearly cancels if gradients are nearly parallel.
            tolerance = 1e-4 if kind == "nearly parallel" else 1e-6
            assert error <= tolerance * np.linalg.norm(peer)
