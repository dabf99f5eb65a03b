"""mtl.objectives.common.jacobian: rows, inner products and the update made of them."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl.objectives import Problem
from mtl.objectives.common import jacobian

RNG = np.random.default_rng(4)
X = np.float32(RNG.normal(size=(5, 3)))
TARGETS = np.float32(RNG.normal(size=(3, 5)))


def build(scale=1.0, gathered=False, x=X, **fields):
    """Build three tasks on two shared variables; the third does not depend on the second."""
    first = tf.get_variable("w", [3, 2], use_resource=True)
    second = tf.get_variable("b", [2], use_resource=True)
    own = [tf.get_variable(f"top{index}", [2], use_resource=True) for index in range(3)]
    w = tf.gather(first, [0, 1, 2]) if gathered else first
    hidden = tf.tanh(tf.matmul(tf.placeholder_with_default(x, [None, 3]), w))
    features = [hidden + second, hidden - second, hidden]
    means = {}
    for index, (each, top) in enumerate(zip(features, own)):
        errors = tf.linalg.matvec(each, top) - TARGETS[index]
        means[f"task{index}"] = scale * tf.reduce_mean(tf.square(errors))
    return Problem(means, shared=[first, second], own=own, **fields)


def test_rows_are_the_gradients_and_gram_their_products():
    with tf.Graph().as_default(), tf.Session() as session:
        problem = build()
        found = jacobian.build(problem)
        expected = [tf.gradients(mean, problem.shared[0])[0] for mean in problem.means.values()]
        biases = [tf.gradients(mean, problem.shared[1])[0] for mean in problem.means.values()]
        assert biases[2] is None
        session.run(tf.global_variables_initializer())
        rows, gram, expected, biases = session.run([found.rows, found.gram, expected, biases[:2]])
    np.testing.assert_array_equal(rows[0], np.reshape(expected, (3, 6)))
    np.testing.assert_array_equal(rows[1], [*biases, [0.0, 0.0]])
    joined = np.float64(np.concatenate(rows, axis=1))
    assert gram.dtype == np.float64
    np.testing.assert_allclose(gram, joined @ joined.T, rtol=1e-14, atol=0.0)


def test_update_combines_the_rows_and_leaves_the_tops_alone():
    weights = np.array([0.5, -2.0, 3.0])
    with tf.Graph().as_default(), tf.Session() as session:
        problem = build()
        update = jacobian.build(problem).update(tf.constant(weights))
        total = tf.add_n([w * mean for w, mean in zip(weights, problem.means.values())])
        shared = tf.gradients(total, problem.shared)
        own = tf.gradients(tf.add_n(list(problem.means.values())), problem.own)
        session.run(tf.global_variables_initializer())
        gradients = [gradient for gradient, _ in update.gradients]
        found, expected = session.run([gradients, [*shared, *own]])
        assert [variable for _, variable in update.gradients] == [*problem.shared, *problem.own]
        cost, means = session.run([update.cost, problem.means])
        assert cost == pytest.approx(sum(means.values()), rel=1e-6)
        np.testing.assert_array_equal(session.run(update.weights), np.float32(weights))
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_gram_keeps_the_squares_of_tiny_and_huge_gradients():
    for scale in (1e-25, 1e25):
        with tf.Graph().as_default(), tf.Session() as session:
            found = jacobian.build(build(scale))
            session.run(tf.global_variables_initializer())
            rows, gram = session.run([found.rows, found.gram])
        joined = np.float64(np.concatenate(rows, axis=1))
        np.testing.assert_allclose(gram, joined @ joined.T, rtol=1e-12, atol=0.0)
        assert (np.diag(gram) > 0.0).all()


def test_gram_is_the_identity_if_a_gradient_is_not_finite():
    with tf.Graph().as_default(), tf.Session() as session:
        found = jacobian.build(build(np.float32("nan")))
        update = found.update(tf.ones([3], tf.float64))
        session.run(tf.global_variables_initializer())
        gram, gradient = session.run([found.gram, update.gradients[0][0]])
    np.testing.assert_array_equal(gram, np.eye(3))
    assert np.isnan(gradient).all()


def test_a_gathered_variable_has_a_dense_gradient():
    with tf.Graph().as_default(), tf.Session() as session:
        found = jacobian.build(build(gathered=True))
        session.run(tf.global_variables_initializer())
        assert session.run(found.rows[0]).shape == (3, 6)


# -- gradients of a dense layer as products x' y -------------------------------------------------

EQUAL = np.float32(X[[0, 0, 0, 3, 3]])  # of rank 2


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("x, scale", [(X, 1.0), (X, 1e-25), (X, 1e25), (EQUAL, 1.0), (0 * X, 1.0)])
def test_gram_of_products_is_that_of_the_gradients(x, scale, gated):
    with tf.Graph().as_default(), tf.Session() as session:
        found = jacobian.build(build(scale, x=x, gated=gated, batch_size=len(x)))
        assert found.products[0] is not None and found.products[1] is None
        session.run(tf.global_variables_initializer())
        stacked, biases, gram = session.run([found.products[0].stacked, found.rows[1], found.gram])
    biases = np.float64(biases)
    y = np.float64(stacked).reshape(3, len(x), 2)
    rows = np.einsum("bi,kbo->kio", np.float64(x), y).reshape(3, 6)
    joined = np.concatenate([rows, biases], axis=1)
    # A sum over the batch may cancel, so the tolerance is relative to its terms.
    size = np.linalg.norm(x) * np.linalg.norm(y, axis=(1, 2)) + np.linalg.norm(biases, axis=1)
    assert (np.abs(gram - joined @ joined.T) <= 3e-13 * np.outer(size, size)).all()
    assert np.linalg.eigvalsh(gram).min() >= -1e-15 * np.trace(gram)


def test_update_of_products_is_that_of_the_rows():
    with tf.Graph().as_default(), tf.Session() as session:
        weights = tf.constant([0.5, -2.0, 3.0], tf.float64)
        problem = build(batch_size=5)
        found = jacobian.build(problem)
        assert found.products[0] is not None
        updates = [found.update(weights), found._replace(products=[None, None]).update(weights)]
        session.run(tf.global_variables_initializer())
        one, other = session.run([[each for each, _ in update.gradients] for update in updates])
    for mine, expected in zip(one, other):
        np.testing.assert_allclose(mine, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_gram_of_products_is_the_identity_if_an_input_is_not_finite(number):
    x = X.copy()
    x[2, 1] = number
    with tf.Graph().as_default(), tf.Session() as session:
        found = jacobian.build(build(x=x, batch_size=5))
        update = found.update(tf.ones([3], tf.float64))
        session.run(tf.global_variables_initializer())
        gram, gradient = session.run([found.gram, update.gradients[0][0]])
    np.testing.assert_array_equal(gram, np.eye(3))
    assert np.isnan(gradient).any()


@pytest.mark.parametrize("fields", [{}, {"batch_size": 100}, {"batch_size": 5, "gathered": True}])
def test_rows_are_used_where_products_are_unknown_or_slower(fields):
    with tf.Graph().as_default():
        assert jacobian.build(build(**fields)).products == [None, None]
