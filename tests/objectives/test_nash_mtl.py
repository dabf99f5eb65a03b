"""mtl.objectives.nash_mtl: the bargain, its norm, and its independence of lengths."""

import numpy as np
import pytest

from mtl.objectives import nash_mtl
from tests import gradient_cases as cases


@pytest.fixture(scope="module")
def weights():
    with cases.solver(nash_mtl.weights) as found:
        yield found


def bargain(rows):
    """Return d by damped Newton steps on x' C x / 2 - sum of log x, C: the cosines."""
    units = cases.units(rows)
    cosines, x = units @ units.T, np.ones(len(units))
    for _ in range(100):
        slope = cosines @ x - 1.0 / x
        step = np.linalg.solve(cosines + np.diag(1.0 / x**2), slope)
        x -= step / (1.0 + np.sqrt(step @ slope))
    return x @ units


@pytest.mark.parametrize("kind", cases.KINDS + ("equal",))
def test_equals_newton_steps(weights, kind):
    for count in cases.COUNTS:
        rows = cases.jacobian(kind, count)
        found, expected = weights(rows) @ rows, bargain(rows)
        assert np.linalg.norm(found - expected) <= 1e-6 * np.linalg.norm(expected)


@pytest.mark.parametrize("kind", cases.KINDS + ("equal",))
def test_squared_norm_is_the_number_of_tasks(weights, kind):
    for count in (*cases.COUNTS, 20):
        rows = cases.jacobian(kind, count)
        found = weights(rows)
        taking_part = rows.any(axis=1)
        assert (found[taking_part] > 0.0).all() and (found[~taking_part] == 0.0).all()
        assert np.square(found @ rows).sum() == pytest.approx(taking_part.sum(), rel=1e-6)


def test_rescaling_a_gradient_changes_nothing(weights):
    rows = cases.jacobian("conflicting", 5)
    first = weights(rows) @ rows
    rows *= np.array([1e4, 1e-4, 3.0, 1e-30, 1.0])[:, np.newaxis]
    np.testing.assert_allclose(weights(rows) @ rows, first, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", cases.DEGENERATE)
def test_degenerate_gradients_have_bounded_weights(weights, kind):
    for count in cases.COUNTS:
        rows = cases.jacobian(kind, count)
        norms = np.linalg.norm(rows, axis=1)
        found = weights(rows)
        assert np.isfinite(found).all()
        assert (found * norms <= 1.01e6 * np.sqrt(count)).all()
        assert np.linalg.norm(found @ rows) <= np.sqrt(count) * (1 + 1e-6)
    opposite = cases.jacobian("opposite", 2)
    assert np.linalg.norm(weights(opposite) @ opposite) <= 1e-5


@pytest.mark.parametrize("kind", [kind for kind in cases.KINDS if kind != "nearly parallel"])
def test_equals_torchjd(weights, kind):
    # For nearly parallel gradients, the peer returns its start, weights of 1: see the next test.
    torch, peers = pytest.importorskip("torch"), pytest.importorskip("torchjd.aggregation")
    pytest.importorskip("cvxpy"), pytest.importorskip("ecos")
    compared = 0
    for count in (3, 5, 8) if kind == "one zero" else cases.COUNTS:
        rows = cases.jacobian(kind, count)
        found = weights(rows) @ rows
        peer_rows = cases.units(rows)  # its solver stops at an absolute error of the equation
        peer = peers.NashMTL(len(peer_rows), max_norm=0.0, optim_niter=100)
        expected = peer(torch.tensor(peer_rows)).numpy()
        # Sometimes the peer's solver gives up: then its d has not the norm of the solution.
        if np.square(expected).sum() == pytest.approx(len(peer_rows), rel=1e-3):
            compared += 1
            assert np.linalg.norm(found - expected) <= 1e-4 * np.linalg.norm(expected)
    assert compared >= 2


def test_solves_what_torchjd_gives_up(weights):
    torch, peers = pytest.importorskip("torch"), pytest.importorskip("torchjd.aggregation")
    pytest.importorskip("cvxpy"), pytest.importorskip("ecos")
    rows = 0.1 * cases.units(cases.jacobian("nearly parallel", 3))
    peer = peers.NashMTL(3, max_norm=0.0, optim_niter=100)(torch.tensor(rows)).numpy()
    assert peer @ peer != pytest.approx(3.0, rel=0.5)
    assert np.square(weights(rows) @ rows).sum() == pytest.approx(3.0, rel=1e-9)
