"""Keep TensorFlow from fusing a convolution with a residual sum.

TensorFlow on a processor fuses a convolution, its bias and the sum of a residual connection into
one operation. In 2.21, two concurrent runs of this operation give wrong values, or crash. A server
runs a model concurrently. A convolution that is fused with only its bias is safe.

The fusion looks for a sum whose input is the sum of a bias. EnsureShape between both hides it, and
copies nothing.
"""

import tensorflow.compat.v1 as tf

_SUMS = ("Add", "AddV2", "AddN")
_BIASED = ("BiasAdd", *_SUMS)


def prevented(graph_def):
    """Return a GraphDef with the same values, whose residual sums stay operations of their own."""
    producers = {node.name: node for node in graph_def.node}
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(graph_def, name="")
    changed = tf.GraphDef()
    changed.CopyFrom(graph_def)
    added = {}
    for node in changed.node:
        if node.op not in _SUMS:
            continue
        for index, taken in enumerate(node.input):
            producer = producers.get(taken)
            if producer is None or producer.op not in _BIASED:
                continue
            tensor = graph.get_tensor_by_name(f"{taken}:0")
            if tensor.shape.rank is None or not tensor.dtype.is_floating:
                continue
            node.input[index] = f"{taken}/alone"
            added[taken] = _ensure_shape(node.input[index], tensor)
    changed.node.extend(added.values())
    return changed


def _ensure_shape(name, tensor):
    """Return the NodeDef of EnsureShape with the shape that a tensor has."""
    node = tf.NodeDef(name=name, op="EnsureShape", input=[tensor.op.name])
    node.attr["T"].type = tensor.dtype.as_datatype_enum
    node.attr["shape"].shape.CopyFrom(tensor.shape.as_proto())
    return node
