"""mtl.objectives.common.solvers: optimality conditions, tolerances and bounds on iterations."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl.objectives.common import solvers
from tests import gradient_cases as cases

TASKS = (2, 5, 8, 40)


@pytest.fixture(scope="module")
def run():
    """A function (tensor, {placeholder name: value}) in one session."""
    settings = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    with tf.Graph().as_default(), tf.Session(config=settings) as session:
        gram = tf.placeholder(tf.float64, [None, None])
        vector = tf.placeholder(tf.float64, [None])
        unit = solvers.unit(gram)
        made = {
            "unit": unit,
            "scales": solvers.scales(unit),
            "minimum": solvers.minimum(unit.cosines, unit.cosines),
            "of total": solvers.minimum(unit.cosines, vector[tf.newaxis], solvers.scales(unit))[0],
            "fair": solvers.fair(unit.cosines, vector, 0.5),
            "equal": solvers.equal_products(unit),
            "ball": solvers.worst_product(unit.cosines, vector, solvers.scales(unit), 0.5),
        }
        yield lambda name, rows, vector_value=None: session.run(
            made[name],
            {gram: rows @ rows.T, vector: np.zeros(1) if vector_value is None else vector_value},
        )


def cosines_of(rows):
    unit = cases.units(rows)
    return unit @ unit.T


def test_unit_splits_directions_and_lengths(run):
    rows = cases.jacobian("one zero", 3) * np.array([[1e-30], [1.0], [1e30]])
    zero = ~rows.any(axis=1)
    found = run("unit", rows)
    np.testing.assert_allclose(found.norms, np.linalg.norm(rows, axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.norms * found.inverse, np.where(zero, 0.0, 1.0), rtol=1e-12)
    np.testing.assert_allclose(np.diag(found.cosines), 1.0, rtol=1e-11)
    assert (found.cosines[zero][:, ~zero] == 0.0).all()
    scales = run("scales", rows)
    assert scales.max() == 1.0 and scales[zero] == 0.0
    np.testing.assert_array_equal(run("scales", np.zeros((3, 7))), np.ones(3))


@pytest.mark.parametrize("kind", ["plain", "conflicting", "scales", "equal"])
def test_minimum_fulfils_its_optimality_conditions(run, kind):
    for count in TASKS:
        rows = cases.jacobian(kind, count, numbers=53)
        cosines = cosines_of(rows)
        found = run("minimum", rows)
        slopes = found @ cosines + cosines
        assert (found > 0.0).all() and slopes.min() >= -1e-9
        assert (found * slopes).mean(axis=1).max() <= 1e-10


@pytest.mark.parametrize("kind", ["plain", "conflicting", "scales", "equal"])
def test_minimum_with_a_total_fulfils_its_optimality_conditions(run, kind):
    for count in TASKS:
        rows = cases.jacobian(kind, count, numbers=53)
        scales, cosines = run("scales", rows), cosines_of(rows)
        found = run("of total", rows, np.zeros(count))
        assert (found > 0.0).all() and found @ scales == pytest.approx(1.0, abs=1e-9)
        multiplier = found @ cosines @ found
        slopes = cosines @ found - multiplier * scales
        assert slopes.min() >= -1e-9 and (found * slopes).mean() <= 1e-10


@pytest.mark.parametrize("kind", ["plain", "conflicting", "equal", "one zero"])
def test_fair_fulfils_its_equation(run, kind):
    for count in TASKS:
        rows = cases.jacobian(kind, count, numbers=53)
        offsets = np.linspace(-3.0, 2.0, count)
        found, cosines = run("fair", rows, offsets), run("unit", rows).cosines
        logs = np.log(found) + 0.5 * np.log(cosines @ found)
        np.testing.assert_allclose(logs, offsets, atol=1e-8)


def test_equal_products_are_one_or_as_near_as_possible(run):
    rows = cases.jacobian("plain", 5)
    np.testing.assert_allclose(cosines_of(rows) @ run("equal", rows), 1.0, rtol=1e-9)
    zero = cases.jacobian("one zero", 5)
    assert abs(run("equal", zero)[~zero.any(axis=1)]) <= 1e-14
    for kind in ("one direction", "stationary"):
        rows = cases.jacobian(kind, 5)
        expected = np.linalg.pinv(cases.units(rows), rcond=1e-6) @ np.ones(5)
        np.testing.assert_allclose(run("equal", rows) @ cases.units(rows), expected, atol=1e-5)


@pytest.mark.parametrize("kind", cases.KINDS + cases.DEGENERATE)
def test_loops_end_with_finite_numbers(run, kind):
    for count in TASKS:
        rows = cases.jacobian(kind, count)
        for name in ("minimum", "of total", "fair", "equal", "ball"):
            assert np.isfinite(run(name, rows, np.zeros(count))).all(), name


def test_worst_product_stays_in_its_ball_and_needs_no_luck(run):
    # Rows of the identity: the best z has equal components.
    rows = np.eye(4)
    np.testing.assert_allclose(run("ball", rows, np.zeros(4)), np.full(4, 0.25), atol=1e-9)
    # One product is far ahead: z is spent on the others.
    found = run("ball", rows, np.array([5.0, 0.0, 0.0, 0.0]))
    np.testing.assert_allclose(found, [0.0, *np.full(3, 0.5 / np.sqrt(3))], atol=1e-6)
