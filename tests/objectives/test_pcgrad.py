"""mtl.objectives.pcgrad: projections off conflicting gradients, in a given or a random order."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl.objectives import pcgrad
from tests import gradient_cases as cases


@pytest.fixture(scope="module")
def weights():
    with cases.solver(pcgrad.weights, tf.int32) as found:
        yield found


def random_order(rng, count):
    return np.array([rng.permutation(count) for _ in range(count)])


def projected(rows, order):
    """Return the projected gradients p_k, by the loops of the paper's algorithm 1."""
    found = rows.copy()
    for index, visited in enumerate(order):
        for other in visited:
            product = found[index] @ rows[other]
            if other != index and product < 0.0:
                found[index] -= product / (rows[other] @ rows[other]) * rows[other]
    return found


@pytest.mark.parametrize("kind", cases.KINDS + cases.DEGENERATE)
def test_equals_the_loops_of_the_paper(weights, kind):
    rng = np.random.default_rng(1)
    for count in cases.COUNTS:
        rows, order = cases.jacobian(kind, count), random_order(rng, count)
        expected = projected(rows, order).sum(axis=0)
        error = np.abs(weights(rows, order) @ rows - expected).max()
        assert error <= 1e-8 * np.abs(rows).max()


def test_without_conflict_it_is_the_sum(weights):
    rows = np.abs(cases.jacobian("plain", 5))
    np.testing.assert_array_equal(weights(rows, np.tile(np.arange(5), (5, 1))), np.ones(5))


def test_with_two_tasks_no_projection_conflicts():
    rows = cases.jacobian("plain", 2)
    rows[1] -= 3.0 * rows[0]
    first, second = projected(rows, np.array([[0, 1], [1, 0]]))
    assert min(first @ rows[1], second @ rows[0]) >= -1e-12
    assert min(first @ rows[0], second @ rows[1]) > 0.0


def test_zero_and_cancelling_gradients(weights):
    order = np.tile(np.arange(3), (3, 1))
    np.testing.assert_array_equal(weights(np.zeros((3, 7)), order), np.ones(3))
    row = cases.jacobian("plain", 2)[0]
    opposite = np.stack([row, -row, 0 * row])
    np.testing.assert_allclose(weights(opposite, order) @ opposite, 0.0, atol=1e-12)


@pytest.mark.parametrize("kind", cases.KINDS)
def test_equals_torchjd_for_the_same_order(weights, kind, monkeypatch):
    torch, peers = pytest.importorskip("torch"), pytest.importorskip("torchjd.aggregation")
    rng = np.random.default_rng(2)
    for count in cases.COUNTS:
        rows, order = cases.jacobian(kind, count), random_order(rng, count)
        give = iter(order).__next__
        monkeypatch.setattr(torch, "randperm", lambda size, give=give: torch.tensor(give()))
        peer = peers.PCGrad()(torch.tensor(rows)).numpy()
        assert np.abs(weights(rows, order) @ rows - peer).max() <= 1e-8 * np.abs(rows).max()
