"""The hook of one of several workers in the training graph; see also test_equivalence.py."""

import dataclasses
import functools
import sys
import threading
import types

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import graph as graph_lib, tasks
from mtl.cluster import backup, exchange, placement, replica as replica_lib
from mtl.errors import UsageError
from tests.cluster import closeness, local


@functools.cache
def built(number, count=3, sync=True, backups=0, objective="log_sum"):
    """Build the training graph of a worker; return its operations."""
    with tf.Graph().as_default() as graph, placement.placed(local.device(number), 1):
        replica = replica_lib.Replica(number, count, local.HOST, "run", sync, backups)
        config = local.config(objective=objective)
        graph_lib.build(config, inputs=local.INPUTS, replica=replica)
    return graph.get_operations()


def types_of(operations):
    return {operation.type for operation in operations}


def test_the_graph_of_one_machine_has_nothing_of_a_cluster():
    with tf.Graph().as_default() as graph:
        graph_lib.build(local.config(), inputs=local.INPUTS)
    operations = graph.get_operations()
    of_replica = types_of(built(0)) - types_of(operations)
    assert {"FIFOQueueV2", "PlaceholderWithDefault", "IdentityN"} <= of_replica
    assert {operation.device for operation in operations} == {""}


def test_one_worker_has_no_queue():
    assert not {kind for kind in types_of(built(0, 1)) if "Queue" in kind}
    assert "FIFOQueueV2" in types_of(built(0))


@pytest.mark.parametrize("name", ["log_sum", "famo"])
def test_only_the_chief_updates_variables(name):
    updates = {"ResourceApplyAdam", "AssignAddVariableOp", "AssignSubVariableOp"}
    assert updates & types_of(built(0, objective=name))
    assert not updates & types_of(built(2, objective=name))


@pytest.mark.parametrize("name", ["log_sum", "famo"])
def test_all_workers_have_the_same_queues(name):
    def queues(number):
        found = [each for each in built(number, objective=name) if each.type == "FIFOQueueV2"]
        names = ("shared_name", "container", "component_types", "shapes", "capacity")
        return [(each.device, *(each.get_attr(name) for name in names)) for each in found]

    chief = queues(0)
    assert chief == queues(2)
    assert len(chief) == len({each[1] for each in chief}) >= 6


def test_asynchronous_workers_have_no_queue_and_each_update_the_variables():
    for number in (0, 2):
        kinds = types_of(built(number, sync=False))
        assert "ResourceApplyAdam" in kinds
        assert not {kind for kind in kinds if "Queue" in kind}


@pytest.mark.slow
def test_asynchronous_workers_do_not_wait_for_each_other(cluster):
    batches = [local.batch(step) for step in range(5)]

    def before(number, step):
        # The chief ends all its steps while the other waits before its first.
        if number == 1 and step == 0:
            ended.wait(60)
        if number == 0 and step == 4:
            ended.set()

    ended = threading.Event()
    found = cluster.train(local.config(), batches, workers=2, before=before, sync=False)
    assert [values["global_step"] for _, _, values in found[:4]] == list(range(1, 5))
    assert cluster.last["global_step"] == 10


def test_gradients_are_added_where_their_variables_are():
    with tf.Graph().as_default() as graph, placement.placed(local.device(0), 2):
        replica = replica_lib.Replica(0, 2, local.HOST, "run")
        graph_lib.build(local.config(), inputs=local.INPUTS, replica=replica)
        updates = [op for op in graph.get_operations() if op.type == "ResourceApplyAdam"]
        assert len(updates) == 8
        library = graph.as_graph_def().library.function
        functions = {each.signature.name: each for each in library}
        for op in updates:
            gradient = op.inputs[9].op
            while gradient.type == "Identity":
                assert gradient.device == op.device
                gradient = gradient.inputs[0].op
            assert gradient.type == "If"
            assert gradient.device == op.device == op.inputs[0].op.device
            branch = functions[gradient.get_attr("then_branch").name].node_def
            assert {each.device for each in branch if each.op == "AddV2"} == {op.device}


def test_no_variable_changes_before_all_gradients_have_arrived():
    operations = built(0, objective="uncertainty")
    updates = [op for op in operations if op.type == "ResourceApplyAdam"]
    assert any(op.inputs[0].op.name.startswith("objective/") for op in updates)
    arrived = [op for op in operations if op.type == "If" and len(op.outputs) > 3]
    assert len(arrived) == 1  # the sums of the gradients, of one parameter server
    for op in updates:
        assert arrived[0] in ancestors(op)


def ancestors(operation):
    """Return all operations that an operation waits for."""
    found, waiting = set(), [operation]
    while waiting:
        op = waiting.pop()
        new = {*(tensor.op for tensor in op.inputs), *op.control_inputs} - found
        found |= new
        waiting += new
    return found


@pytest.mark.parametrize("backups", [0, 1])
def test_queues_can_be_closed_without_a_step(backups):
    for number in (0, 2):
        operations = built(number, backups=backups, objective="famo")
        closing = [op for op in operations if op.type == "QueueCloseV2"]
        queues = [op for op in operations if op.type == "FIFOQueueV2"]
        assert len(closing) == len(queues) > 0
        assert {each.type for op in closing for each in ancestors(op)} == {"FIFOQueueV2"}


def test_backup_workers_are_those_of_the_exchange():
    with tf.Graph().as_default():
        kinds = [
            type(replica_lib.Replica(0, 3, "", "run", backups=each).exchange) for each in (0, 1)
        ]
    assert kinds == [exchange.Exchange, backup.Exchange]


def test_seed_of_the_dropout_masks_is_that_of_the_run_on_the_chief_alone():
    with tf.Graph().as_default():
        seeds = [replica_lib.Replica(number, 3, "", "run").seed(7) for number in range(3)]
    assert seeds[0] == 7
    assert len(set(seeds)) == 3


OWN = {
    "means": lambda logits, labels, means: tf.add_n(list(means.values())),
    "logits": lambda logits, labels, means: means["size"] + tf.reduce_sum(logits["size"]),
    "labels": lambda logits, labels, means: means["size"] * tf.reduce_mean(labels["size"]),
    "weights": lambda logits, labels, means: (
        means["size"] + tf.nn.l2_loss(tf.trainable_variables()[0])
    ),
    "held": lambda logits, labels, means: (
        means["size"] * tf.stop_gradient(tf.reduce_max(logits["size"]))
    ),
}


@pytest.fixture
def own(monkeypatch):
    """A function name -> --objective of a function of OWN."""
    module = types.ModuleType("own_objectives")
    for name, function in OWN.items():
        setattr(module, name, function)
    monkeypatch.setitem(sys.modules, "own_objectives", module)
    return lambda name: f"own_objectives:{name}"


@pytest.mark.parametrize("name", ["logits", "labels", "weights", "held"])
def test_own_cost_of_more_than_the_means_is_refused(name, own):
    with pytest.raises(UsageError) as caught:
        built(0, objective=own(name))
    expected = f"--objective=own_objectives:{name} computes its cost from more than the mean"
    assert str(caught.value).startswith(expected)
    assert "\n" not in str(caught.value)


def test_own_cost_of_more_than_the_means_is_allowed_with_one_worker(own):
    built(0, 1, objective=own("held"))


@pytest.mark.slow
def test_own_cost_of_the_means_is_divided(own, cluster):
    fields = closeness.MOMENTUM
    config = local.config(objective=own("means"), **fields)
    batches = [local.batch(step, absent=0.3) for step in range(5)]
    expected = local.alone(local.config(objective="linear", **fields), batches)
    worst = closeness.ulps(cluster.train(config, batches, workers=2), expected)
    assert max(worst.values()) <= closeness.ULPS


def test_the_answer_is_replaced_by_log_sum_if_it_must_be_divided():
    with tf.Graph().as_default():
        names = [replica_lib.Replica(0, count, "", "run").objective("answer") for count in (1, 2)]
    assert names == ["answer", "log_sum"]


@pytest.mark.slow
def test_workers_divide_the_batches_of_the_answer(cluster):
    config = dataclasses.replace(
        local.config(**closeness.MOMENTUM), tasks="numbers", objective="answer"
    )
    batches = []
    for step in range(4):
        rng = np.random.default_rng([5, step])
        labels = tasks.encode_all([str(number) for number in rng.integers(10**6, size=12)])
        images = rng.integers(256, size=(12, *local.INPUTS.shape)).astype(np.uint8)
        batches.append({"inputs": images, **labels})
    found = cluster.train(config, batches, workers=2)
    closeness.assert_close(found, local.alone(config, batches), "answer")


@pytest.mark.slow
def test_gradient_of_a_total_is_that_of_the_own_part(cluster):
    parts, weights = [2.0, 3.0, 7.0], [1.0, 10.0, 100.0]

    def build(replica):
        number = replica.exchange.number
        x = tf.get_variable("x", [], tf.float32, tf.ones_initializer(), use_resource=True)
        part = weights[number] * x * x
        (total, other) = replica.total([part, tf.constant(parts[number])])
        (gradient,) = tf.gradients(tf.log(total) * 5.0, [x])
        return {"total": total, "other": other, "gradient": gradient}

    step, close = local.workers(cluster, 3, build)
    found = local.together(lambda number: step(number, {}), 3, close)
    for weight, each in zip(weights, found):
        assert (each["total"], each["other"]) == (111.0, 12.0)
        assert each["gradient"] == pytest.approx(5.0 / 111.0 * 2.0 * weight, rel=1e-6)
