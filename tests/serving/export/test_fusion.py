"""mtl.serving.export.fusion: concurrent runs of an exported network are safe."""

import concurrent.futures

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import layers
from mtl.serving.export import fusion


def residual(bias=0.0):
    """Return a GraphDef: two convolutions, the second with a residual sum."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 14, 14, 8], "x")
        w = tf.constant(np.random.default_rng(0).normal(size=(3, 3, 8, 8)) / 9, tf.float32)
        y = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, w, 1, "SAME"), tf.zeros([8])))
        z = tf.nn.bias_add(tf.nn.conv2d(y, w, 1, "SAME"), tf.fill([8], bias))
        tf.identity(z + y, "out")
    return graph.as_graph_def()


def opened(graph_def):
    """Return a session of a GraphDef."""
    graph = tf.Graph()
    with graph.as_default():
        tf.graph_util.import_graph_def(graph_def, name="")
    return tf.Session(graph=graph)


def run(graph_def, x):
    with opened(graph_def) as session:
        return session.run("out:0", {"x:0": x})


def test_values_are_unchanged_and_only_the_residual_sum_is_separated():
    graph_def = residual(0.5)
    changed = fusion.prevented(graph_def)
    x = np.random.default_rng(1).normal(size=(3, 14, 14, 8)).astype(np.float32)
    np.testing.assert_allclose(run(changed, x), run(graph_def, x), rtol=1e-5, atol=1e-6)
    added = {node.name: node for node in changed.node}
    for node in graph_def.node:
        del added[node.name]
    ((name, node),) = added.items()
    assert (node.op, name) == ("EnsureShape", f"{node.input[0]}/alone")
    sums = [each for each in changed.node if each.op == "AddV2"]
    assert name in sums[-1].input


def test_a_graph_without_a_residual_sum_is_unchanged():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 4])
        layers.dense(x, "a", 3, seed=0)
        tf.constant([1]) + tf.constant([2])
    graph_def = graph.as_graph_def()
    assert fusion.prevented(graph_def) == graph_def


@pytest.mark.slow
def test_concurrent_runs_give_the_values_of_one():
    with opened(fusion.prevented(residual())) as session:
        call = session.make_callable("out:0", ["x:0"])
        x = np.random.default_rng(1).normal(size=(6, 14, 14, 8)).astype(np.float32)
        expected = call(x)

        def work(thread):
            for number in range(150):
                count = 1 + (thread + number) % len(x)
                np.testing.assert_allclose(call(x[:count]), expected[:count], atol=1e-5)

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(work, thread) for thread in range(8)]:
                done.result()
