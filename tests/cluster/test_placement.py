"""Where variables and operations of a worker are placed."""

import tensorflow.compat.v1 as tf

from mtl import graph as graph_lib
from mtl.cluster import placement
from tests.cluster import local

WORKER = "/job:worker/task:1"


def variable(name, shape, dtype=tf.float32):
    return tf.get_variable(name, shape, dtype, tf.zeros_initializer(), use_resource=True)


def test_variables_are_spread_by_bytes_not_by_count():
    with tf.Graph().as_default(), tf.device(placement.setter(WORKER, 2)):
        sizes = {"large": [100], "small": [7], "other": [9], "third": [50], "last": [40]}
        found = {name: variable(name, shape).device for name, shape in sizes.items()}
        halves = variable("doubles", [1], tf.float64)
    first, second = "/job:ps/task:0", "/job:ps/task:1"
    # Bytes: 400 and 0; 28; 64; 264; 424 and the eight of a float64.
    assert list(found.values()) == [first, second, second, second, second]
    assert halves.device == first


def test_bytes_are_counted_with_the_size_of_the_type():
    with tf.Graph().as_default():
        strategy = placement.ByBytes(2)
        with tf.device(tf.train.replica_device_setter(2, ps_strategy=strategy)):
            variable("a", [3], tf.float64)
            variable("b", [5], tf.float32)
    assert strategy.bytes == [24, 20]


def test_operations_are_on_the_worker_and_slots_beside_their_variable():
    with tf.Graph().as_default() as graph, tf.device(placement.setter(WORKER, 2)):
        graph_lib.build(local.config(clip_norm=1.0), inputs=local.INPUTS)
        slots = {}
        for each in tf.global_variables():
            assert each.device in ("/job:ps/task:0", "/job:ps/task:1")
            slots.setdefault(each.op.name.split("/Adam")[0], set()).add(each.device)
        assert all(len(devices) == 1 for devices in slots.values())
        assert {device for devices in slots.values() for device in devices} == {
            "/job:ps/task:0",
            "/job:ps/task:1",
        }
        for op in graph.get_operations():
            if op.type in ("MatMul", "Relu", "SparseSoftmaxCrossEntropyWithLogits", "Placeholder"):
                assert op.device == WORKER, op.name
            if op.type == "ResourceApplyAdam":
                assert op.device == op.inputs[0].op.device


def test_the_sum_of_a_gradient_stays_on_its_server():
    with tf.Graph().as_default(), tf.device(placement.setter(WORKER, 1)):
        with tf.device("/job:ps/task:0"):
            there = tf.placeholder(tf.float32, [3])
        here = tf.placeholder(tf.float32, [3])
        assert tf.reduce_sum(there).device == "/job:ps/task:0"
        assert tf.reduce_sum(here).device == WORKER
        assert (2.0 * there).device == WORKER


def test_filters_name_the_servers_and_the_worker_alone():
    assert placement.filters(WORKER) == ["/job:ps", WORKER]
