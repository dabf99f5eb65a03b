"""Blocks of operations, and the graph that TensorBoard draws from them."""

import re

import pytest
import tensorflow.compat.v1 as tf

from mtl.config import Config
from mtl.explain import blocks, diagram, lines, summary
from mtl.inputs import Inputs

pytestmark = pytest.mark.slow


def test_each_operation_is_in_one_block(any_graph):
    found = diagram.of(any_graph)
    block_of = blocks.assign(any_graph, found)
    assert list(block_of) == list(any_graph.ops)
    unused = set(blocks.names(found)) - set(block_of.values())
    assert unused == ({blocks.RATE} if any_graph.config.schedule == "constant" else set())
    assert set(block_of.values()) <= set(blocks.names(found))


def test_blocks_hold_the_operations_of_their_part(any_graph):
    found = diagram.of(any_graph)
    block_of = blocks.assign(any_graph, found)
    types = {name: set() for name in blocks.names(found)}
    for op in any_graph.ops.values():
        if op.kind == lines.FORWARD:
            types[block_of[op.name]].add(op.type)
    assert block_of["images"] == "image"
    assert {"Placeholder", "RealDiv", "Sub"} <= types["image"]
    outputs = {task.name: "Mul" if task.name == "height" else "LogSoftmax" for task in found.tasks}
    for layer in found.shared:
        assert "VarHandleOp" in types[layer.scope]
    for task in found.tasks:
        loss = f"loss/{task.name}"
        assert {"MatMul", outputs[task.name], "VarHandleOp"} <= types[blocks.top(task.name)]
        assert "Placeholder" in types[loss]
        assert "VarHandleOp" not in types[loss]
        assert {block_of[name] for name in task.loss} == {loss}
    assert {block_of[name] for name in found.adds} == {blocks.COST}
    if any_graph.config.absent == "x" and any_graph.config.is_numbers:
        assert len(types[blocks.COST]) == 1
    else:  # the labelled examples of all tasks are counted together
        assert {"AddV2", "Pack", "Sum", "Unpack"} <= types[blocks.COST]


def test_rate_and_watched_operations_have_blocks(any_graph):
    block_of = blocks.assign(any_graph, diagram.of(any_graph))
    assert block_of[any_graph.named.watched.op.name] == blocks.WATCHED
    cosines = [name for name, op in any_graph.ops.items() if op.type == "Cos"]
    assert len(cosines) == (any_graph.config.schedule == "cosine")
    assert all(block_of[name] == blocks.RATE for name in cosines)


@pytest.mark.parametrize("objective", ["pcgrad", "dwa"])
def test_lines_of_an_objective_are_lines_of_the_cost(objective):
    config = Config(tasks="cost:3,height:real", dataset="npz", bottom="mlp", objective=objective)
    explained = lines.explain(config, inputs=Inputs((5,), 0, "float32"))
    found = diagram.of(explained)
    block_of = blocks.assign(explained, found)
    file = f"objectives/{objective}.py"
    own = [name for name, op in explained.ops.items() if file in dict(explained.stack_of(op))]
    assert own and {block_of[name] for name in own} <= {blocks.COST, "loss/cost", "loss/height"}
    assert file in summary.render(explained, found)


def test_layers_hold_exactly_the_operations_of_their_scope(any_graph):
    """The record and the variable scopes agree on all operations that have such a scope."""
    found = diagram.of(any_graph)
    block_of = blocks.assign(any_graph, found)
    scopes = {layer.scope: layer.scope for layer in found.shared}
    scopes |= {task.name: blocks.top(task.name) for task in found.tasks}
    for scope, block in scopes.items():
        own = {name for name in any_graph.ops if name.startswith(f"{scope}/")}
        assert {block_of[name] for name in own} == {block}


def test_updates_belong_to_their_variable_and_gradients_to_their_operation(any_graph):
    block_of = blocks.assign(any_graph, diagram.of(any_graph))
    for op in any_graph.ops.values():
        if op.type.startswith("ResourceApply"):
            variable = op.name.split("update_")[1].split("/ResourceApply")[0]
            scope = variable.rpartition("/")[0]
            top = blocks.top(scope.split("/")[0])
            assert block_of[op.name] == (scope if scope.startswith("shared/") else top)
        if op.kind == lines.GRADIENT:
            assert block_of[op.name] == block_of[op.of]


# -- the graph for TensorBoard ---------------------------------------------------------------------


def kept(graph):
    """Return the nodes that TensorBoard draws: all, without those that are only watched."""
    block_of = blocks.assign(graph, diagram.of(graph))
    nodes = graph.graph.as_graph_def(add_shapes=True).node
    if graph.config.on_nonfinite == "skip":
        return list(nodes)
    return [node for node in nodes if block_of[node.name] != blocks.WATCHED]


def test_scoped_graph_differs_in_names_only(any_graph):
    before = kept(any_graph)
    after = blocks.scoped(any_graph, diagram.of(any_graph)).node
    new = {old.name: node.name for old, node in zip(before, after, strict=True)}
    assert len(set(new.values())) == len(new)
    for old, node in zip(before, after):
        assert node.op == old.op
        parts = [re.fullmatch(r"(\^?)([^:]+)(.*)", source).groups() for source in old.input]
        assert list(node.input) == [f"{start}{new[name]}{end}" for start, name, end in parts]
        assert _attributes(node) == _attributes(old)


def _attributes(node):
    """Return the attributes of a node without the names of other nodes."""
    return {key: value for key, value in node.attr.items() if key != "_class"}


def test_tensorflow_imports_the_scoped_graph(any_graph):
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(blocks.scoped(any_graph, diagram.of(any_graph)), name="")
    assert len(graph.get_operations()) == len(kept(any_graph))


def test_roots_of_the_scoped_graph_are_the_parts_of_the_diagram(any_graph):
    found = diagram.of(any_graph)
    roots = {node.name.split("/")[0] for node in blocks.scoped(any_graph, found).node}
    expected = {"image", "shared", "loss", "cost", "gradients", found.optimizer, blocks.STEP}
    expected |= {blocks.top(task.name).split("/")[0] for task in found.tasks}
    if any_graph.config.on_nonfinite == "skip":
        expected.add(blocks.WATCHED)
    assert roots == expected
    assert len(roots) < 15  # see blocks.scoped


def test_scoped_names_begin_with_their_block(small):
    found = diagram.of(small)
    block_of = blocks.assign(small, found)
    for old, node in zip(kept(small), blocks.scoped(small, found).node, strict=True):
        op = small.ops[old.name]
        if op.kind == lines.GRADIENT:
            assert node.name.startswith(f"gradients/{block_of[op.of]}/")
        elif op.kind == lines.UPDATE:
            assert node.name == "Adam" or node.name.startswith("Adam/")
        else:
            assert node.name.startswith((block_of[op.name], "Adam/learning_rate/"))
