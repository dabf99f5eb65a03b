"""mtl.serving.export.canonical: names of functions do not depend on the process."""

import tensorflow.compat.v1 as tf

from mtl.serving.export import canonical


def build():
    """Return a GraphDef with a loop, a condition within it, and a condition that is called last."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None], "x")

        def body(each):
            return tf.cond(each > 0.0, lambda: each * 2.0, lambda: each - 1.0)

        y = tf.map_fn(body, x)
        tf.cond(tf.size(x) > 1, lambda: y + 1.0, lambda: y, name="last")
        tf.identity(y, "y")
    return graph.as_graph_def()


def bytes_of(graph_def):
    return graph_def.SerializeToString(deterministic=True)


def test_two_graphs_of_one_process_are_equal():
    first, second = build(), build()
    assert bytes_of(first) != bytes_of(second)
    canonical.renamed(first)
    canonical.renamed(second)
    assert bytes_of(first) == bytes_of(second)
    names = [each.signature.name for each in first.library.function]
    assert len(set(names)) == len(names) == 6


def test_a_renamed_graph_computes_the_same():
    graph_def = build()
    canonical.renamed(graph_def)
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        tf.graph_util.import_graph_def(graph_def, name="")
        assert session.run("y:0", {"x:0": [3.0, -1.0]}).tolist() == [6.0, -2.0]


def test_unused_functions_are_dropped():
    graph_def = build()
    graph_def.library.function.add().signature.name = "unused"
    canonical.renamed(graph_def)
    assert "unused" not in [each.signature.name for each in graph_def.library.function]


def test_a_graph_without_functions_is_unchanged():
    with tf.Graph().as_default() as graph:
        tf.constant(1.0)
    graph_def = graph.as_graph_def()
    canonical.renamed(graph_def)
    assert list(graph_def.node) == list(graph.as_graph_def().node)
