"""Give the functions of a GraphDef names that do not depend on what else the process has built.

TensorFlow numbers the bodies of loops and conditions with a counter of the process. Without it, the
same run gives the same bytes.
"""

import re


def renamed(graph_def) -> None:
    """Rename the functions of a GraphDef in place, in the order of their use."""
    functions = {each.signature.name: each for each in graph_def.library.function}
    names = {}
    waiting = [graph_def.node]
    while waiting:
        for node in waiting.pop(0):
            called = [used.name for used in _references(node)]
            for name in [*called, *([node.op] if node.op in functions else [])]:
                if name not in names:
                    base = re.sub(r"(_\d+)+$", "", name)
                    names[name] = f"{base}_{len(names)}"
                    waiting.append(functions[name].node_def)
    found = [functions[old] for old in names]
    for nodes in [graph_def.node, *(each.node_def for each in found)]:
        for node in nodes:
            node.op = names.get(node.op, node.op)
            for used in _references(node):
                used.name = names[used.name]
    for each in found:
        old = each.signature.name
        each.signature.name = names[old]
        _rename_inputs(each, old)
    kept = [each.SerializeToString(deterministic=True) for each in found]
    del graph_def.library.function[:]
    for each in kept:
        graph_def.library.function.add().ParseFromString(each)


def _rename_inputs(function, old):
    """Rename the inputs of a function that contain its old name."""
    names = {}
    for each in function.signature.input_arg:
        if each.name.startswith(f"{old}_"):
            names[each.name] = function.signature.name + each.name.removeprefix(old)
            each.name = names[each.name]
    for node in function.node_def:
        for index, taken in enumerate(node.input):
            node.input[index] = names.get(taken, taken)
    for output, taken in function.ret.items():
        function.ret[output] = names.get(taken, taken)


def _references(node):
    """Return the references of a node to functions, in the order of their attributes' names."""
    found = []
    for name in sorted(node.attr):
        value = node.attr[name]
        if value.WhichOneof("value") == "func":
            found.append(value.func)
        found += value.list.func
    return found
