"""mtl.serving.export.allowed: which operations an exported model may have."""

import pytest
import tensorflow.compat.v1 as tf

from helpers import one_line
from mtl.errors import DataError
from mtl.serving.export import allowed

# TensorFlow marks these as having state, but they have none. The graphs inside the last three are
# checked too.
_STATELESS = {"CheckNumerics", "If", "StatefulPartitionedCall", "While"}


def test_every_operation_exists_and_has_no_state():
    graph = tf.Graph()
    stateful = {name for name in allowed.OPERATIONS if graph.op_def_for_type(name).is_stateful}
    assert stateful == _STATELESS


@pytest.mark.parametrize(
    "forbidden",
    ["PyFunc", "ReadFile", "WriteFile", "SaveV2", "RestoreV2", "VarHandleOp", "RandomUniform"],
)
def test_operations_that_do_more_than_compute_are_not_allowed(forbidden):
    assert forbidden not in allowed.OPERATIONS
    assert tf.Graph().op_def_for_type(forbidden)


def refused(build):
    with tf.Graph().as_default() as graph:
        build()
    with pytest.raises(DataError) as error:
        allowed.check(graph.as_graph_def(), "runs/mine")
    return error


def test_another_operation_is_named():
    error = refused(lambda: tf.py_func(abs, [tf.constant(-1.0)], tf.float32, name="mine"))
    one_line(error, "runs/mine: ", "the operation PyFunc (mine)", "no Python, files or state; ")


def test_functions_are_checked_too():
    def body(name):
        return tf.cond(tf.equal(name, "a"), lambda: tf.io.read_file(name), lambda: name)

    error = refused(lambda: tf.map_fn(body, tf.constant(["a", "b"])))
    one_line(error, "the operation ReadFile (")


def test_a_graph_that_only_computes_is_accepted():
    with tf.Graph().as_default() as graph:
        tf.map_fn(lambda x: tf.nn.relu(x) * 2.0, tf.constant([1.0]))
    allowed.check(graph.as_graph_def(), "runs/mine")
