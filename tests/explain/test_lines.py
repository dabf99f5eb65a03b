"""Every operation has its line, every gradient its operation; TensorFlow's own record of the latter is the oracle."""

import collections
import dataclasses
import re

import pytest
import tensorflow.compat.v1 as tf

from mtl import train
from mtl.config import Config
from mtl.explain import lines


def line_with(file, text):
    """Return the only line of a file that holds a text."""
    found = [number for number, each in enumerate(lines.read_source(file), start=1) if text in each]
    assert len(found) == 1, (text, found)
    return (file, found[0])


def test_all_operations_are_there_in_order_and_all_have_a_line(any_graph):
    in_functions = [name for name in any_graph.ops if "_branch:" in name]
    assert [name for name in any_graph.ops if "_branch:" not in name] == [
        op.name for op in any_graph.graph.get_operations()
    ]
    assert len(in_functions) == sum(
        len(function.node_def) for function in any_graph.graph.as_graph_def().library.function
    )
    assert bool(in_functions) == (any_graph.config.on_nonfinite == "skip")
    for op in any_graph.ops.values():
        assert op.stack and op.stack[0][0] == "train.py" and op.kind in lines.KINDS
        assert all(lines.read_source(file)[number - 1].strip() for file, number in op.stack)
        assert set(op.inputs) | set(op.waits_for) <= any_graph.ops.keys()


def test_the_graph_is_that_of_train_build_node_for_node():
    config = Config(threads=1)
    with tf.Graph().as_default() as graph:
        train.build(config)
    assert lines.explain(config).graph.as_graph_def() == graph.as_graph_def()


def test_a_gradient_belongs_to_the_operation_that_tensorflow_says(any_graph):
    checked = 0
    for op in any_graph.graph.get_operations():
        if op._original_op is not None and op.name.startswith("gradients/"):
            assert any_graph.ops[op.name].of == op._original_op.name
            checked += 1
    gradients = [op for op in any_graph.ops.values() if op.kind == lines.GRADIENT]
    # What TensorFlow keeps no record of are sums of gradients, zeros for outputs that nobody uses, and the gradient of the cost by itself.
    others = collections.Counter(op.type for op in gradients)
    assert checked > 200 and len(gradients) - checked <= others["AddN"] + others["ZerosLike"] + 3


def test_gradients_that_are_added_up_belong_to_what_is_shared(small):
    sums = [op for op in small.ops.values() if op.type == "AddN"]
    assert [small.ops[op.of].stack[-1] for op in sums] == [
        line_with("bottoms.py", '"dense1", units')
    ]  # the features, which six tops take


def test_each_line_of_the_answer_made_its_loss_and_each_add_its_sum(small):
    for task in ("length", "digit1", "digit2", "digit3", "digit4", "digit5"):
        line = line_with("answer.py", f"loss_{task} = ")
        made = collections.Counter(op.type for op in small.ops.values() if op.stack[-1] == line)
        assert {
            kind: made[kind]
            for kind in ("SoftmaxCrossEntropyWithLogits", "Mean", "Minimum", "Maximum", "Log")
        } == dict.fromkeys(
            ("SoftmaxCrossEntropyWithLogits", "Mean", "Minimum", "Maximum", "Log"), 1
        )
        brought = collections.Counter(
            op.type
            for op in small.ops.values()
            if op.kind == "gradient" and small.stack_of(op)[-1] == line
        )
        assert (
            brought["Reciprocal"] == 1 and brought["SelectV2"] == 4
        )  # of the log, and twice two of the clip
    adds = [
        op
        for op in small.ops.values()
        if op.stack[-1][0] == "answer.py" and op.type in ("Add", "AddV2")
    ]
    assert [lines.source_of(op.stack[-1]) for op in adds] == [
        "tf.add(loss_length, loss_digit1),",
        *(f"tf.add(..., loss_digit{k})" for k in (2, 3, 4)),
        "return tf.add(..., loss_digit5)",
    ]


def test_the_line_that_asks_for_gradients_has_them_all_and_their_operations_lines_come_after(small):
    asked = line_with("train.py", "adam.compute_gradients(cost)")
    for op in small.ops.values():
        assert (asked in small.all_lines_of(op)) == (op.kind == lines.GRADIENT)
        assert small.all_lines_of(op)[-1] == small.stack_of(op)[-1]


def test_what_adam_makes_is_an_update_and_nothing_else_is(any_graph):
    updates = [op for op in any_graph.ops.values() if op.kind == lines.UPDATE]
    variables = len(any_graph.named.gradients)
    assert sum(op.type == "ResourceApplyAdam" for op in updates) == variables
    slots = [
        op.name for op in updates if op.type == "VarHandleOp" and re.search(r"/Adam(_1)?$", op.name)
    ]
    assert len(slots) == 2 * variables
    assert not [
        op.name for op in any_graph.ops.values() if op.kind != lines.UPDATE and "Adam" in op.type
    ]


def test_shapes_are_written_with_a_question_mark_for_the_batch(small):
    assert small.ops["images"].outputs == ("uint8 [?, 54, 54, 3]",)
    assert small.ops["shared/conv1/Conv2D"].outputs == ("float32 [?, 27, 27, 48]",)
    assert small.ops["shared/conv1/Conv2D"].inputs == ("sub", "shared/conv1/Conv2D/ReadVariableOp")


def test_there_is_one_tower_whatever_the_threads():
    many = lines.explain(dataclasses.replace(Config(bottom="mlp"), threads=4))
    assert many.config.threads == 1 and not [name for name in many.ops if "tower" in name]


def test_an_operation_that_no_line_of_ours_made_is_an_error():
    with tf.Graph().as_default() as graph:
        named = train.build(Config(bottom="mlp", threads=1))
        tf.constant(7, name="stray")
        with pytest.raises(LookupError, match="no line of train.py, .* made the operation stray"):
            lines.assign(graph, named.cost, named.minimize)


def test_a_gradient_of_nothing_that_is_known_is_an_error():
    with tf.Graph().as_default() as graph:
        x = tf.ones([3], name="gradients/strange")
        with pytest.raises(LookupError, match="gradients/strange is of no operation"):
            lines.forward_of(x.op, graph, x.op)
