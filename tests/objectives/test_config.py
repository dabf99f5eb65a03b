"""mtl.objectives.config: equal cosines with all gradients."""

import numpy as np
import pytest

from mtl.objectives import config
from tests import gradient_cases as cases


@pytest.fixture(scope="module")
def weights():
    with cases.solver(config.weights) as found:
        yield found


@pytest.mark.parametrize("kind", cases.KINDS + ("equal",))
def test_cosines_are_equal_and_the_length_is_the_sum_of_projections(weights, kind):
    for count in cases.COUNTS:
        rows = cases.jacobian(kind, count)
        direction = weights(rows) @ rows
        unit = direction / np.linalg.norm(direction)
        cosines = cases.units(rows) @ unit
        assert np.ptp(cosines) <= 1e-6 and cosines.min() > 0.0
        assert np.linalg.norm(direction) == pytest.approx((rows @ unit).sum(), rel=1e-6)


def test_rescaling_a_gradient_changes_only_the_length(weights):
    rows = cases.jacobian("conflicting", 5)
    first = weights(rows) @ rows
    rows[2] *= 1e4
    second = weights(rows) @ rows
    cosine = first @ second / (np.linalg.norm(first) * np.linalg.norm(second))
    assert cosine == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("kind", cases.DEGENERATE)
def test_degenerate_gradients_are_finite(weights, kind):
    for count in cases.COUNTS:
        assert np.isfinite(weights(cases.jacobian(kind, count))).all()


def test_zero_and_opposite_gradients_give_no_update(weights):
    np.testing.assert_array_equal(weights(np.zeros((3, 7))), np.zeros(3))
    row = cases.jacobian("plain", 2)[0]
    opposite = np.stack([row, -2.0 * row])
    np.testing.assert_allclose(weights(opposite) @ opposite, 0.0, atol=1e-12)


@pytest.mark.parametrize("kind", cases.KINDS)
def test_equals_torchjd(weights, kind):
    torch, peers = pytest.importorskip("torch"), pytest.importorskip("torchjd.aggregation")
    for count in cases.COUNTS:
        rows = cases.jacobian(kind, count)
        peer = peers.ConFIG()(torch.tensor(rows)).numpy()
        assert np.linalg.norm(weights(rows) @ rows - peer) <= 1e-6 * np.linalg.norm(peer)
