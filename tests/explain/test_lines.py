"""Each operation has a line, each gradient a forward operation, as TensorFlow recorded it."""

import collections
import dataclasses
import re

import pytest
import tensorflow.compat.v1 as tf

from mtl import train
from mtl.config import Config
from mtl.explain import lines

pytestmark = pytest.mark.slow


def line_with(file, text):
    """Return the only line of a file that contains a text."""
    source = enumerate(lines.read_source(file), start=1)
    found = [number for number, line in source if text in line]
    assert len(found) == 1, (text, found)
    return (file, found[0])


def test_all_operations_are_listed_in_graph_order(any_graph):
    names = [name for name in any_graph.ops if "_branch:" not in name]
    assert names == [op.name for op in any_graph.graph.get_operations()]
    in_functions = len(any_graph.ops) - len(names)
    library = any_graph.graph.as_graph_def().library.function
    assert in_functions == sum(len(function.node_def) for function in library)
    assert bool(in_functions) == (any_graph.config.on_nonfinite == "skip")


def test_each_operation_has_lines_of_the_core(any_graph):
    for op in any_graph.ops.values():
        assert op.stack[0][0] == "graph.py"
        assert all(lines.read_source(file)[number - 1].strip() for file, number in op.stack)
        assert op.kind in lines.KINDS
        assert set(op.inputs) | set(op.waits_for) <= any_graph.ops.keys()


def test_all_objectives_are_sources():
    assert {"objectives/answer.py", "objectives/log_sum.py"} <= lines.SOURCES.keys()


@pytest.mark.parametrize(
    "config, built",
    [
        (Config(), Config(objective="answer")),  # log_sum is shown in the answer's own lines
        (Config(absent="mask"), Config(absent="mask")),
        (Config(objective="linear"), Config(objective="linear")),
    ],
)
def test_explained_graph_is_that_of_train_build(config, built):
    with tf.Graph().as_default() as graph:
        train.build(dataclasses.replace(built, threads=1))
    assert lines.explain(config).graph.as_graph_def() == graph.as_graph_def()


def test_explained_graph_keeps_its_config():
    assert lines.explain(Config(bottom="mlp", threads=1)).config == Config(bottom="mlp", threads=1)


def test_gradients_belong_to_the_operations_that_tensorflow_recorded(any_graph):
    checked = 0
    for op in any_graph.graph.get_operations():
        if op._original_op is not None and op.name.startswith("gradients/"):
            assert any_graph.ops[op.name].of == op._original_op.name
            checked += 1
    gradients = [op for op in any_graph.ops.values() if op.kind == lines.GRADIENT]
    types = collections.Counter(op.type for op in gradients)
    # TensorFlow does not record sums of gradients, zeros, and the gradient of the cost.
    assert checked > 150
    assert len(gradients) - checked <= types["AddN"] + types["ZerosLike"] + 3


def test_a_sum_of_gradients_belongs_to_the_shared_features(small):
    sums = [op for op in small.ops.values() if op.type == "AddN"]
    line = line_with("bottoms.py", '"dense1", units')
    assert [small.ops[op.of].stack[-1] for op in sums] == [line]


def test_each_line_of_the_answer_makes_its_loss(small):
    parts = ("SoftmaxCrossEntropyWithLogits", "Mean", "Minimum", "Maximum", "Log")
    for task in ("length", "digit1", "digit2", "digit3", "digit4", "digit5"):
        line = line_with("answer.py", f"loss_{task} = ")
        ops = [op for op in small.ops.values() if small.stack_of(op)[-1] == line]
        made = collections.Counter(op.type for op in ops if op.kind == lines.FORWARD)
        assert [made[part] for part in parts] == [1] * 5
        gradients = collections.Counter(op.type for op in ops if op.kind == lines.GRADIENT)
        assert gradients["Reciprocal"] == 1  # of the log
        assert gradients["SelectV2"] == 4  # two each of the two halves of the clip


def test_each_add_of_the_answer_makes_its_sum(small):
    adds = [op for op in small.ops.values() if op.type in ("Add", "AddV2")]
    own = [op.stack[-1] for op in adds if op.stack[-1][0] == "answer.py"]
    assert [lines.source_of(line) for line in own] == [
        "tf.add(loss_length, loss_digit1),",
        *(f"tf.add(..., loss_digit{k})" for k in (2, 3, 4)),
        "return tf.add(..., loss_digit5)",
    ]


def test_the_line_that_asks_for_gradients_has_them_all(small):
    asking = line_with("graph.py", "optimizer.gradients(optimiser")
    for op in small.ops.values():
        assert (asking in small.all_lines_of(op)) == (op.kind == lines.GRADIENT)
        assert small.all_lines_of(op)[-1] == small.stack_of(op)[-1]


APPLY = {
    "adam": "ResourceApplyAdam",
    "momentum": "ResourceApplyMomentum",
    "sgd": "ResourceApplyGradientDescent",
}


def test_updates_are_the_operations_of_the_optimiser(any_graph):
    updates = [op for op in any_graph.ops.values() if op.kind == lines.UPDATE]
    others = [op for op in any_graph.ops.values() if op.kind != lines.UPDATE]
    variables = len(any_graph.named.gradients)
    types = collections.Counter(op.type for op in updates)
    assert sum(types[name] for name in APPLY.values()) == variables
    assert types[APPLY[any_graph.config.optimizer]] == variables
    handles = [op.name for op in updates if op.type == "VarHandleOp"]
    slots = [name for name in handles if re.search(r"/(Adam(_1)?|Momentum)$", name)]
    assert (
        len(slots) == {"adam": 2, "momentum": 1, "sgd": 0}[any_graph.config.optimizer] * variables
    )
    assert not [op.name for op in others if op.type.startswith("ResourceApply")]


def test_shapes_have_a_question_mark_for_the_batch(small):
    assert small.ops["images"].outputs == ("uint8 [?, 54, 54, 3]",)
    assert small.ops["shared/conv1/Conv2D"].outputs == ("float32 [?, 27, 27, 48]",)
    assert small.ops["shared/conv1/Conv2D"].inputs == ("sub", "shared/conv1/Conv2D/ReadVariableOp")


def test_the_graph_has_one_tower_for_any_number_of_threads():
    many = lines.explain(Config(bottom="mlp", threads=4))
    assert many.config.threads == 1
    assert not [name for name in many.ops if "tower" in name]


def test_an_operation_from_elsewhere_is_an_error():
    with tf.Graph().as_default() as graph:
        named = train.build(Config(bottom="mlp", threads=1))
        tf.constant(7, name="stray")
        with pytest.raises(LookupError, match=r"no line of .*graph\.py.* made the operation stray"):
            lines.assign(graph, named.cost, named.minimize)


def test_a_gradient_without_forward_operation_is_an_error():
    with tf.Graph().as_default():
        x = tf.ones([3], name="gradients/strange")
        with pytest.raises(LookupError, match="gradients/strange has no matching forward"):
            lines.forward_of(x.op, x.op)
