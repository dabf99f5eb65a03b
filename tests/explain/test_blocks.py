"""Each operation in one block, each block holds what its name says, and TensorBoard is given the same graph in these scopes."""

import re

import tensorflow.compat.v1 as tf

from mtl.explain import blocks, diagram, lines


def test_each_operation_is_in_one_of_the_blocks(any_graph):
    found = diagram.of(any_graph)
    where = blocks.assign(any_graph, found)
    assert list(where) == list(any_graph.ops)
    missing = set(blocks.names(found)) - set(where.values())
    assert missing == ({blocks.RATE} if any_graph.config.schedule == "constant" else set())
    assert set(where.values()) <= set(blocks.names(found))


def test_blocks_hold_what_their_names_say(any_graph):
    found = diagram.of(any_graph)
    where = blocks.assign(any_graph, found)
    types = {name: set() for name in blocks.names(found)}
    for op in any_graph.ops.values():
        if op.kind == lines.FORWARD:
            types[where[op.name]].add(op.type)
    assert where["images"] == "image" and {"Placeholder", "RealDiv", "Sub"} <= types["image"]
    for task in found.tasks:
        assert {"Placeholder", "GatherV2", "SoftmaxCrossEntropyWithLogits"} <= types[
            f"loss/{task.name}"
        ]
        assert "VarHandleOp" not in types[f"loss/{task.name}"]
        assert {"MatMul", "LogSoftmax", "VarHandleOp"} <= types[task.name]
        assert {where[name] for name in task.loss} == {f"loss/{task.name}"}
    assert {where[name] for name in found.adds} == {"cost"} and len(types["cost"]) == 1
    for layer in found.shared:
        assert "VarHandleOp" in types[layer.scope]
    assert (
        where[any_graph.named.watched.op.name] == blocks.WATCHED
        and "Cos" not in types[blocks.WATCHED]
    )
    if any_graph.config.schedule == "cosine":
        assert "Cos" in types[blocks.RATE]


def test_updates_stand_with_their_variable_and_gradients_with_their_operation(any_graph):
    where = blocks.assign(any_graph, diagram.of(any_graph))
    for op in any_graph.ops.values():
        if op.type == "ResourceApplyAdam":
            scope = op.name.split("update_")[1].split("/ResourceApplyAdam")[0].rpartition("/")[0]
            assert where[op.name] == scope
        if op.kind == lines.GRADIENT:
            assert where[op.name] == where[op.of]


# -- for TensorBoard: the same graph under other names ---------------------------------------------------------------------------------


def kept(graph):
    """Return the nodes of an explained graph that are looked at: all, but what is only watched."""
    where, skips = blocks.assign(graph, diagram.of(graph)), graph.config.on_nonfinite == "skip"
    return [
        node
        for node in graph.graph.as_graph_def(add_shapes=True).node
        if where[node.name] != blocks.WATCHED or skips
    ]


def test_it_is_the_same_graph_under_other_names(any_graph):
    before = kept(any_graph)
    after = blocks.scoped(any_graph, diagram.of(any_graph)).node
    new = {old.name: node.name for old, node in zip(before, after, strict=True)}
    assert len(set(new.values())) == len(new)
    for old, node in zip(before, after):
        assert node.op == old.op
        named = [re.fullmatch(r"(\^?)([^:]+)(.*)", each).groups() for each in old.input]
        assert list(node.input) == [f"{before}{new[name]}{end}" for before, name, end in named]
        other = {key: value for key, value in node.attr.items() if key != "_class"}
        assert other == {key: value for key, value in old.attr.items() if key != "_class"}


def test_tensorflow_takes_it_as_a_graph(any_graph):
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(blocks.scoped(any_graph, diagram.of(any_graph)), name="")
    assert len(graph.get_operations()) == len(kept(any_graph))


def test_what_is_seen_first_is_the_diagram(any_graph):
    found = diagram.of(any_graph)
    roots = {node.name.split("/")[0] for node in blocks.scoped(any_graph, found).node}
    watched = {blocks.WATCHED} if any_graph.config.on_nonfinite == "skip" else set()
    assert (
        roots
        == {
            "image",
            "shared",
            *(task.name for task in found.tasks),
            "loss",
            "cost",
            "gradients",
            "Adam",
            blocks.STEP,
        }
        | watched
    )
    assert len(roots) < 15  # see blocks.scoped


def test_a_gradient_lies_in_the_scope_of_what_it_is_of_and_an_update_in_adams(small):
    found = diagram.of(small)
    where = blocks.assign(small, found)
    for old, node in zip(kept(small), blocks.scoped(small, found).node, strict=True):
        op = small.ops[old.name]
        if op.kind == lines.GRADIENT:
            assert node.name.startswith(f"gradients/{where[op.of]}/")
        elif op.kind == lines.UPDATE:
            assert node.name == "Adam" or node.name.startswith("Adam/")
        else:
            assert node.name.startswith((where[op.name], "Adam/learning_rate/"))
