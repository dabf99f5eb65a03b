"""Each operation in one block, and each block holds what its name says."""

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
        assert types[f"labels/{task.name}"] == {"Placeholder", "Const", "GatherV2"}
        assert "SoftmaxCrossEntropyWithLogits" in types[f"loss/{task.name}"] and "VarHandleOp" not in types[f"loss/{task.name}"]
        assert {"MatMul", "LogSoftmax", "VarHandleOp"} <= types[task.name]
        assert {where[name] for name in task.loss} == {f"loss/{task.name}"}
    assert {where[name] for name in found.adds} == {"cost"} and len(types["cost"]) == 1
    for layer in found.shared:
        assert "VarHandleOp" in types[layer.scope]
    assert where[any_graph.named.watched.op.name] == blocks.WATCHED and "Cos" not in types[blocks.WATCHED]
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
