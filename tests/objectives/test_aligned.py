"""mtl.objectives.aligned: transformed gradients with equal singular values."""

import numpy as np
import pytest

from mtl.objectives import aligned
from tests import gradient_cases as cases


def both(gram):
    return aligned.weights(gram), aligned.balance(gram)


@pytest.fixture(scope="module")
def weights():
    with cases.solver(both) as found:
        yield found


@pytest.mark.parametrize("kind", cases.KINDS + cases.DEGENERATE)
def test_singular_values_are_equal(weights, kind):
    for count in cases.COUNTS:
        rows = cases.jacobian(kind, count)
        found, balance = weights(rows)
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found, balance.mean(axis=1), atol=1e-12)
        values = np.linalg.svd(balance @ rows, compute_uv=False)
        own = np.linalg.svd(rows, compute_uv=False)
        kept = own > 1e-6 * own[0]
        # The tolerance is that of the square root of an eigenvalue 1e-12 times the largest.
        least = own[kept].min() if kept.any() else 0.0
        np.testing.assert_allclose(values[: kept.sum()], least, rtol=1e-3)
        np.testing.assert_allclose(values[kept.sum() :], 0.0, atol=1e-5 * own[0])


def test_one_gradient_of_zero_leaves_the_alignment_of_the_others(weights):
    rows = cases.jacobian("one zero", 3)
    others = rows[rows.any(axis=1)]
    found, expected = weights(rows)[0] @ rows, weights(others)[0] @ others
    np.testing.assert_allclose(3 * found, 2 * expected, rtol=1e-9, atol=1e-12)


def test_all_zero_gradients_give_no_weight(weights):
    np.testing.assert_array_equal(weights(np.zeros((3, 7)))[0], np.zeros(3))


@pytest.mark.parametrize("kind", cases.KINDS)
def test_equals_torchjd(weights, kind):
    torch, peers = pytest.importorskip("torch"), pytest.importorskip("torchjd.aggregation")
    for count in cases.COUNTS:
        rows = cases.jacobian(kind, count)
        if kind == "scales":  # from 1e-2 to 1e2: the peer counts other eigenvalues as 0
            rows *= np.logspace(-2, 2, count)[:, np.newaxis]
        peer = peers.AlignedMTL()(torch.tensor(rows)).numpy()
        error = np.linalg.norm(weights(rows)[0] @ rows - peer)
        assert error <= 1e-6 * np.linalg.norm(peer)
