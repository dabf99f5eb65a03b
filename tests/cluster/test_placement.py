"""Where variables and operations of a worker are placed."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import checkpoint, graph as graph_lib
from mtl.cluster import placement, replica as replica_lib
from mtl.errors import UsageError
from tests.cluster import local

WORKER = "/job:worker/task:1"


def variable(name, shape, dtype=tf.float32):
    return tf.get_variable(name, shape, dtype, tf.zeros_initializer(), use_resource=True)


def test_variables_are_spread_by_bytes_not_by_count():
    with tf.Graph().as_default(), placement.placed(WORKER, 2):
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
    with tf.Graph().as_default() as graph, placement.placed(WORKER, 2):
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
    with tf.Graph().as_default(), placement.placed(WORKER, 1):
        with tf.device("/job:ps/task:0"):
            there = tf.placeholder(tf.float32, [3])
        here = tf.placeholder(tf.float32, [3])
        assert tf.reduce_sum(there).device == "/job:ps/task:0"
        assert tf.reduce_sum(here).device == WORKER
        assert (2.0 * there).device == WORKER


def test_filters_name_the_servers_and_the_worker_alone():
    assert placement.filters(WORKER) == ["/job:ps", WORKER]


LARGEST = 20_000  # bytes; local.TASKS has one weight of 64 x 256 float32, and small ones


def built(**fields):
    """Build a chief with divided weights; return its graph.Graph."""
    replica = replica_lib.Replica(0, 2, local.HOST, "run")
    return graph_lib.build(local.config(**fields), inputs=local.INPUTS, replica=replica)


def test_large_weights_are_divided_over_the_servers():
    with tf.Graph().as_default(), placement.placed(WORKER, 3, LARGEST):
        graph = built(objective="gradnorm", weight_decay=0.1)
        parts = {}
        for each in tf.global_variables():
            size = each.shape.num_elements() * each.dtype.size
            assert size <= 22 * 256 * 4, each.name  # of 64 rows, in 3 parts
            if "/part_" in each.op.name:
                parts.setdefault(each.op.name.partition("/part_")[0], []).append(each.device)
        servers = [f"/job:ps/task:{index}" for index in range(3)]
        assert {name: sorted(set(devices)) for name, devices in parts.items()} == {
            "shared/dense1/w": servers
        }
        assert [each.op.name for each in graph.network.layers[0].variables] == [
            "shared/dense1/w/part_0",
            "shared/dense1/w/part_1",
            "shared/dense1/w/part_2",
            "shared/dense1/b",
        ]


def test_a_worker_receives_a_weight_once_for_all_towers():
    with tf.Graph().as_default() as graph, placement.placed(WORKER, 1):
        built(threads=4)
        variable = tf.trainable_variables()[0]
        reads = [
            op
            for op in graph.get_operations()
            if op.type == "ReadVariableOp" and op.inputs[0].op.name == variable.op.name
        ]
        users = {user.type for op in reads for user in op.outputs[0].consumers()}
        read = [op for op in reads if op.outputs[0].consumers()]
        assert len(read) == 1 and users == {"Identity"}


@pytest.mark.parametrize("name", ["db_mtl", "excess"])
def test_an_objective_that_remembers_parts_of_weights_is_refused(name):
    with tf.Graph().as_default(), placement.placed(WORKER, 3, LARGEST):
        with pytest.raises(UsageError, match=f"--objective={name} .* remove --partition_mb"):
            built(objective=name)


@pytest.mark.slow
def test_divided_weights_train_and_are_saved_as_whole_ones(cluster, tmp_path):
    assert_divided("gradnorm", cluster, tmp_path)


def assert_divided(name, cluster, tmp_path):
    """Train an objective with and without divided weights; compare what is saved."""
    config = local.config(objective=name, weight_decay=0.1)
    batches = [local.batch(step, absent=0.3) for step in range(6)]
    stored = []
    for largest in (0, LARGEST):
        directory = str(tmp_path / str(largest))
        cluster.train(config, batches, largest=largest, directory=directory)
        assert ("shared/dense1/w/part_1" in cluster.last) == bool(largest)
        stored.append(all_of(directory))
    whole, divided = stored
    assert whole.keys() == divided.keys() and "shared/dense1/w/Adam" in whole
    for each, value in whole.items():
        np.testing.assert_allclose(divided[each], value, rtol=1e-4, atol=1e-5, err_msg=each)
    # A cluster with divided weights continues the run of one without.
    with tf.Graph().as_default(), placement.placed(local.device(0), 2, LARGEST):
        built()
        variables = {each.op.name: each for each in tf.trainable_variables()}
        with cluster.session(0) as session:
            checkpoint.restore(session, variables, str(tmp_path / "0" / "model.ckpt-6"))
            parts = [each for name, each in variables.items() if "shared/dense1/w/part_" in name]
            restored = np.concatenate(session.run(parts))
    np.testing.assert_array_equal(restored, whole["shared/dense1/w"])


def all_of(directory):
    """Return the tensors of a checkpoint by name."""
    reader = tf.train.load_checkpoint(checkpoint.newest(directory))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
