"""mtl.objectives.fairgrad: the equation of the weights, for several alphas."""

import numpy as np
import pytest

from mtl.objectives import fairgrad, nash_mtl
from tests import gradient_cases as cases

ALPHAS = (0.1, 0.5, 1.0, 2.0, 10.0)


def all_alphas(gram):
    return [fairgrad.weights(gram, alpha) for alpha in ALPHAS] + [nash_mtl.weights(gram)]


@pytest.fixture(scope="module")
def weights():
    with cases.solver(all_alphas) as found:
        yield found


@pytest.mark.parametrize("kind", cases.KINDS + ("equal",))
def test_weights_fulfil_the_equation(weights, kind):
    for count in (*cases.COUNTS, 20):
        rows = cases.jacobian(kind, count)
        norms = np.linalg.norm(rows, axis=1)
        for found, alpha in zip(weights(rows), ALPHAS):
            assert (found[norms > 0.0] > 0.0).all() and (found[norms == 0.0] == 0.0).all()
            direction = found @ rows
            if kind == "scales" and alpha in (0.1, 10.0):
                continue  # products of 1e-80: see the next test
            products = (rows @ direction)[norms > 0.0]
            # A product is a sum in which large terms cancel, so it has only some correct digits.
            terms = (np.abs(rows @ rows.T) @ found)[norms > 0.0]
            expected = found[norms > 0.0] ** (-1.0 / alpha)
            assert (np.abs(products - expected) <= 1e-9 * expected + 1e-11 * terms).all()


def test_extreme_lengths_and_alphas_are_finite_and_raise_no_loss(weights):
    for count in cases.COUNTS:
        rows = cases.jacobian("scales", count)
        units = cases.units(rows)
        for found in weights(rows):
            direction = found @ rows
            size = np.abs(found[:, np.newaxis] * rows).max()
            assert np.isfinite(found).all() and (found > 0.0).all()
            assert (units @ direction >= -1e-9 * size).all()


def test_alpha_1_is_nash(weights):
    found = weights(cases.jacobian("conflicting", 5))
    np.testing.assert_array_equal(found[ALPHAS.index(1.0)], found[-1])


def test_a_small_alpha_is_linear_without_conflict():
    rows = np.abs(cases.jacobian("plain", 5))
    with cases.solver(lambda gram: fairgrad.weights(gram, 1e-4)) as small:
        np.testing.assert_allclose(small(rows), np.ones(5), rtol=1e-3)


def test_a_large_alpha_levels_the_gains(weights):
    rows = cases.jacobian("conflicting", 4)
    spreads = []
    for found in weights(rows)[: len(ALPHAS)]:
        products = rows @ (found @ rows)
        spreads.append(products.max() / products.min())
    assert spreads == sorted(spreads, reverse=True) and spreads[-1] < 2.0


def test_rescaling_all_gradients_changes_only_the_length(weights):
    rows = cases.jacobian("conflicting", 3)
    for first, second, alpha in zip(weights(rows), weights(1e3 * rows), ALPHAS):
        factor = 1e3 ** ((1.0 - alpha) / (1.0 + alpha))
        np.testing.assert_allclose(1e3 * second @ rows, factor * first @ rows, rtol=1e-6)


@pytest.mark.parametrize("kind", cases.DEGENERATE)
def test_degenerate_gradients_are_finite(weights, kind):
    for count in cases.COUNTS:
        rows = cases.jacobian(kind, count)
        for found in weights(rows):
            assert np.isfinite(found).all()
            assert kind != "all zero" or (found == 0.0).all()


@pytest.mark.parametrize("alpha", [0.5, 2.0])
@pytest.mark.parametrize("kind", cases.KINDS)
def test_equals_torchjd(weights, kind, alpha):
    torch, peers = pytest.importorskip("torch"), pytest.importorskip("torchjd.aggregation")
    pytest.importorskip("scipy")
    for count in cases.COUNTS:
        rows = cases.jacobian(kind, count)
        if kind == "scales":  # the peer's least squares need lengths that are nearly equal
            rows = cases.units(rows) * np.linspace(0.5, 2.0, count)[:, np.newaxis]
        peer = peers.FairGrad(alpha=alpha)(torch.tensor(rows)).numpy()
        found = weights(rows)[ALPHAS.index(alpha)] @ rows
        assert np.linalg.norm(found - peer) <= 1e-6 * np.linalg.norm(peer)
