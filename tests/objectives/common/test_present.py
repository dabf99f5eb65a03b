"""mtl.objectives.common.present: only tasks with a label in the batch are combined."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import helpers
from mtl import catalogue
from mtl.objectives.common import present
from tests import objective_steps

# excess has the weight 1/K in the first step, whatever is labelled.
NAMES = [
    name
    for name in catalogue.NAMES
    if catalogue.entry(name).needs == catalogue.GRADIENTS and name != "excess"
]
MEANS = np.array([0.7, 3.0, 0.2])
ROWS = np.random.default_rng(8).normal(size=(3, objective_steps.Rows.PARAMETERS))
ROWS[2] -= 0.9 * ROWS[0]  # they conflict
GRAM = np.float64([[4.0, 1.0, 2.0], [1.0, 9.0, 3.0], [2.0, 3.0, 16.0]])


def weights(labelled):
    """Return the weights of the function diagonal + sum of products."""
    with tf.Graph().as_default(), tf.Session() as session:
        problem = helpers.problem({"a": 0.0, "b": 0.0, "c": 0.0}, labelled=labelled)
        found = present.weights(
            problem, tf.constant(GRAM), lambda gram: tf.linalg.diag_part(gram) + tf.reduce_sum(gram)
        )
        return session.run(found)


@pytest.mark.parametrize(
    "known, expected",
    [
        (None, [45.0, 50.0, 57.0]),
        ([True, True, True], [45.0, 50.0, 57.0]),
        ([True, False, True], [28.0, 0.0, 40.0]),
        ([False, True, False], [0.0, 18.0, 0.0]),
        ([False, False, False], [45.0, 50.0, 57.0]),
    ],
)
def test_only_tasks_with_a_label_are_solved_for(known, expected):
    found = weights(None if known is None else lambda: tf.constant(known))
    np.testing.assert_array_equal(found, expected)


def step(name, chosen=(0, 1, 2), known=None):
    """Return a step of an objective on the chosen tasks."""
    built = objective_steps.Rows(name, len(chosen), known is not None, step=np.int64(0))
    rows = ROWS if known is None else ROWS * np.array(known)[:, np.newaxis]
    found = built(MEANS[list(chosen)], rows[list(chosen)], known)
    built.close()
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_direction_is_that_of_the_other_tasks_alone(name):
    found = step(name, known=[True, False, True]).direction
    np.testing.assert_allclose(found, step(name, chosen=(0, 2)).direction, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [*NAMES, "excess"])
def test_one_task_alone_has_the_direction_of_its_gradient(name):
    found = step(name, known=[False, True, False]).direction
    expected = ROWS[1] / np.linalg.norm(ROWS[1])
    np.testing.assert_allclose(found / np.linalg.norm(found), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [*NAMES, "excess"])
def test_without_any_label_nothing_moves(name):
    found = step(name, known=[False, False, False])
    np.testing.assert_array_equal(found.direction, 0.0)
    assert np.isfinite(found.weights).all()
