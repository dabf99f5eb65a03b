"""The concept diagram of a training graph, found in its GraphDef: what the tasks share, what each has of its own, how the cost is added up.

Nothing here knows how the network was written. A task is a softmax cross entropy that the cost depends on; a layer is a scope that holds
variables; it is shared where more than one task's logits depend on it, and the top of a task where one does.
"""

import collections
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mtl.explain.lines import Explained

_ADDS = ("Add", "AddV2")
_CROSS_ENTROPY = "SoftmaxCrossEntropyWithLogits"
_PRODUCTS = {
    "Conv2D": "convolution",
    "MatMul": "dense",
    "BatchMatMulV2": "locally connected",
}  # what a layer is called after
# What a picture or a loss goes through, in words, by the types of one or more operations; "" is not worth a word.
_WORDS = {
    ("Mul", "Sum", "RealDiv", "Select"): "mean of the labelled",
    ("RealDiv", "Select"): "dropout",
    ("Minimum", "Maximum"): "clip",
    **{
        (kind,): ""
        for kind in ("Cast", "Reshape", "Transpose", "BiasAdd", "Identity", "ExtractImagePatches")
    },
    **{("RealDiv",): "0 to 1", ("Sub",): "mean off", ("AddV2",): "+ its input"},
    **{("Relu",): "relu", ("MaxPool",): "max pooling", ("Max",): "maxout"},
    **{(_CROSS_ENTROPY,): "cross entropy", ("Mean",): "mean", ("Log",): "log"},
}


class Layer(NamedTuple):
    """A scope with variables, and what happens to its output before the next layer takes it."""

    scope: str
    what: str  # "3x3 convolution", "dense", ...
    then: tuple[str, ...]  # "relu", "max pooling", ...
    shape: tuple[int, ...]  # of what the next layer takes, without the batch
    parameters: int


class Task(NamedTuple):
    """A top and its loss."""

    name: str
    top: Layer
    logits: str  # name of the tensor's operation
    loss: tuple[str, ...]  # names of the operations from the cross entropy to the term of the cost
    words: tuple[str, ...]  # what those do: "cross entropy", "mean", "clip", "log"


class Diagram(NamedTuple):
    """What a graph looks like from afar; names are those of operations."""

    images: str
    image: tuple[int, ...]  # height, width, channels
    before: tuple[str, ...]  # what is done to an image before the first layer
    shared: tuple[Layer, ...]
    features: str  # what all tops take
    tasks: tuple[Task, ...]  # in the order in which the cost adds them up
    adds: tuple[str, ...]  # the chain, the last is the cost
    optimizer: str  # "Adam"
    updated: int  # how many variables it changes
    parameters: int  # how many numbers those are


def of(explained: Explained) -> Diagram:
    """Return the diagram of an explained graph, found in its GraphDef; raises as `find`."""
    return find(explained.graph.as_graph_def(add_shapes=True), explained.named.cost.op.name)


def find(graph_def: Any, cost: str) -> Diagram:
    """Find the diagram of a training graph.

    Args:
      graph_def: tf.GraphDef of as_graph_def(add_shapes=True).
      cost: str, the name of the operation that makes the cost.

    Returns:
      Diagram.

    Raises:
      LookupError: it is not the graph of a cost that is a sum over softmax cross entropies.
    """
    nodes = {node.name: node for node in graph_def.node}
    of_type = lambda kind: {node.name for node in graph_def.node if node.op == kind}  # noqa: E731
    adds, terms, last = [], [], cost
    while nodes[last].op in _ADDS:
        adds.insert(0, last)
        left, right = _inputs(nodes[last])
        terms.insert(0, right)
        last = left
    losses = [_path(nodes, term, of_type(_CROSS_ENTROPY)) for term in [last, *terms]]
    logits = [_skip(nodes, _inputs(nodes[path[0]])[0], "Reshape") for path in losses]
    behind = [_weights(nodes, each) for each in logits]
    used = collections.Counter(name for names in behind for name in names)
    shared = _layers(nodes, [name for name in behind[0] if used[name] > 1])
    tops = [_layers(nodes, [name for name in names if used[name] == 1]) for names in behind]
    if not shared or any(len(top) != 1 for top in tops):
        raise LookupError(
            f"the cost {cost} is not that of tasks with a shared bottom and a top each"
        )
    products = [_product(nodes, scope) for scope in shared]
    features = _inputs(nodes[_product(nodes, *tops[0])])[0]
    ends = [*(_inputs(nodes[product])[0] for product in products[1:]), features]
    ways = [_path(nodes, end, {product}) for end, product in zip(ends, products)]
    image = _path(nodes, _inputs(nodes[products[0]])[0], of_type("Placeholder"))
    updates = [node for node in _with_functions(graph_def) if node.op.startswith("ResourceApply")]
    sizes = {
        name: size
        for scope in (shared, *tops)
        for names in scope.values()
        for name, size in names.items()
    }
    return Diagram(
        images=image[0],
        image=_shape(nodes[image[0]]),
        before=_said(nodes, image[1:]),
        shared=tuple(
            _layer(nodes, scope, path, shared[scope]) for scope, path in zip(shared, ways)
        ),
        features=features,
        tasks=tuple(
            Task(
                *top,
                _layer(nodes, *top, [_product(nodes, *top)], *top.values()),
                each,
                tuple(path),
                _said(nodes, path),
            )
            for top, each, path in zip(tops, logits, losses)
        ),
        adds=tuple(adds),
        optimizer=updates[0].op.removeprefix("ResourceApply") if updates else "",
        updated=len(updates),
        parameters=sum(sizes.values()),
    )


def _inputs(node):
    """Return the names of the nodes whose tensors a node takes."""
    return [name.split(":")[0] for name in node.input if not name.startswith("^")]


def _skip(nodes, name, kind):
    """Return the first node, going against the data from a node, that is of another type."""
    while nodes[name].op == kind:
        name = _inputs(nodes[name])[0]
    return name


def _path(nodes: Mapping[str, Any], end: str, starts: set[str]) -> list[str]:
    """Return the names on the shortest way along the data from one of the nodes `starts` to the node `end`, both included."""
    after, queue = {end: None}, collections.deque([end])
    while queue:
        name = queue.popleft()
        if name in starts:
            way = []
            while name is not None:
                way.append(name)
                name = after[name]
            return way
        for other in _inputs(nodes[name]):
            if other not in after:
                after[other] = name
                queue.append(other)
    raise LookupError(f"none of {', '.join(sorted(starts)) or 'nothing'} goes into {end}")


def _weights(nodes: Mapping[str, Any], start: str) -> list[str]:
    """Return the names of the float variables that a node depends on, in the order they were made."""
    seen, todo = set(), [start]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += _inputs(nodes[name])
    return [
        name
        for name in nodes
        if name in seen and nodes[name].op == "VarHandleOp" and nodes[name].attr["dtype"].type == 1
    ]


def _layers(nodes: Mapping[str, Any], variables: Iterable[str]) -> dict[str, dict[str, int]]:
    """Group variables by their scope: scope -> variable -> how many numbers it holds."""
    layers: dict[str, dict[str, int]] = {}
    for name in variables:
        size = 1
        for dim in nodes[name].attr["shape"].shape.dim:
            size *= dim.size
        layers.setdefault(name.rpartition("/")[0], {})[name] = size
    return layers


def _product(nodes, scope):
    """Return the node of a layer that multiplies by its weights."""
    for name, node in nodes.items():
        if name.startswith(scope + "/") and node.op in _PRODUCTS:
            return name
    raise LookupError(f"the scope {scope} holds variables and no product with them")


def _layer(nodes, scope, way, sizes):
    """Make the Layer of a scope from the way between its product and the next layer's."""
    product = nodes[way[0]]
    what = _PRODUCTS[product.op]
    if product.op == "Conv2D":
        kernel = nodes[_skip(nodes, _inputs(product)[1], "Cast")]
        what = "x".join(str(size) for size in _sizes(kernel)[:2]) + " " + what
    end = len(way) - 1  # without what only lays the numbers out for the next layer
    while nodes[way[end]].op in ("Cast", "Transpose", "ExtractImagePatches", "Reshape") and end:
        end -= 1
    return Layer(scope, what, _said(nodes, way[1:]), _shape(nodes[way[end]]), sum(sizes.values()))


def _sizes(node):
    """Return the shape of what a node makes, -1 where it is not known."""
    return [dim.size for dim in node.attr["_output_shapes"].list.shape[0].dim]


def _shape(node):
    """Return the shape of what a node makes, without the batch."""
    return tuple(_sizes(node)[1:])


def _said(nodes, names):
    """Say what a way of nodes does, in words."""
    kinds, words, place = [nodes[name].op for name in names], [], 0
    while place < len(kinds):
        known = [phrase for phrase in _WORDS if phrase == tuple(kinds[place : place + len(phrase)])]
        phrase = max(known, key=len, default=(kinds[place],))
        word = _WORDS.get(phrase, kinds[place])
        bias = kinds[place] in _ADDS and any(
            _is_parameter(nodes, other) for other in _inputs(nodes[names[place]])
        )
        words += [word] * bool(word and not bias)
        place += len(phrase)
    return tuple(words)


def _is_parameter(nodes, name):
    """Tell whether a node is the value of a variable or a constant."""
    return nodes[_skip(nodes, name, "Cast")].op in ("ReadVariableOp", "Const")


def _with_functions(graph_def):
    """Return all nodes, those inside of functions too."""
    return [
        *graph_def.node,
        *(node for function in graph_def.library.function for node in function.node_def),
    ]
