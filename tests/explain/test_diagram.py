"""The diagram against what TensorFlow's own objects say of the same graph, and of small graphs written here."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl.explain import diagram
from mtl.tasks import NUMBER_TASKS


def test_layers_are_the_scopes_of_variables_and_hold_their_parameters(any_graph):
    found = diagram.of(any_graph)
    with any_graph.graph.as_default():
        sizes = {}
        for variable in tf.trainable_variables():
            sizes.setdefault(variable.op.name.rpartition("/")[0], []).append(
                int(np.prod(variable.shape.as_list()))
            )
    layers = [*found.shared, *(task.top for task in found.tasks)]
    assert {layer.scope: layer.parameters for layer in layers} == {
        scope: sum(each) for scope, each in sizes.items()
    }
    assert found.parameters == sum(map(sum, sizes.values())) and found.updated == sum(
        map(len, sizes.values())
    )
    assert all(layer.scope.startswith("shared/") for layer in found.shared)


def test_tasks_come_in_the_order_of_the_cost_with_their_classes_and_losses(any_graph):
    found, graph = diagram.of(any_graph), any_graph.graph
    assert [(task.name, task.top.shape) for task in found.tasks] == [
        (task.name, (task.classes,)) for task in NUMBER_TASKS
    ]
    assert (
        len(found.adds) == 5
        and found.adds[-1] == any_graph.named.cost.op.name
        and found.optimizer == "Adam"
    )
    for task in found.tasks:
        assert graph.get_operation_by_name(task.loss[0]).type == "SoftmaxCrossEntropyWithLogits"
        assert graph.get_operation_by_name(task.logits).outputs[0].shape.as_list() == [
            None,
            task.top.shape[0],
        ]
    words = ["cross entropy", "mean" if any_graph.config.absent == "x" else "mean of the labelled"]
    assert list(found.tasks[3].words) == words + ["clip", "log"] * (
        any_graph.config.objective == "log_sum"
    )


def test_what_a_layer_hands_on_has_the_shape_that_the_next_one_takes(any_graph):
    found, ops = diagram.of(any_graph), any_graph.ops
    for layer in found.shared:
        own = [op for op in ops.values() if op.name.startswith(layer.scope + "/")]
        product = next(op for op in own if op.type in ("Conv2D", "MatMul", "BatchMatMulV2"))
        taken = any_graph.graph.get_operation_by_name(product.name).inputs[0].shape.as_list()
        before = (
            found.image
            if layer is found.shared[0]
            else found.shared[found.shared.index(layer) - 1].shape
        )
        if product.type == "Conv2D":
            assert tuple(taken[1:]) == before
        elif product.type == "MatMul":
            assert taken[1] == np.prod(before)
    assert any_graph.graph.get_operation_by_name(found.features).outputs[0].shape.as_list()[
        1:
    ] == list(found.shared[-1].shape)


def test_small_in_words(small):
    found = diagram.of(small)
    assert (found.images, found.image, found.before) == (
        "images",
        (54, 54, 3),
        ("0 to 1", "mean off"),
    )
    rows = [(layer.scope, layer.what, layer.then, layer.shape) for layer in found.shared]
    assert rows[0] == ("shared/conv1", "5x5 convolution", ("relu",), (27, 27, 48))
    assert rows[3] == ("shared/conv4", "3x3 convolution", ("max pooling", "relu"), (4, 4, 192))
    assert rows[4] == ("shared/dense1", "dense", ("relu",), (512,))


def test_residuals_maxout_dropout_and_local_layers_have_their_words(graph_of):
    base, paper = diagram.of(graph_of("masked")).shared, diagram.of(graph_of("paper")).shared
    assert [layer.scope[7:] for layer in base if "+ its input" in layer.then] == [
        "conv4",
        "conv6",
    ] and base[-1].then == ("relu", "dropout")
    assert paper[0].then == ("max pooling", "maxout", "mean off", "dropout")
    assert [(layer.what, layer.shape) for layer in paper[7:9]] == [
        ("5x5 convolution", (4, 4, 192)),
        ("locally connected", (4, 4, 192)),
    ]


def two_tops(shared=True, units=(3, 5)):
    """Build two dense tops on one dense layer, or on none, and return (GraphDef, name of the cost)."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 7], "x")

        def dense(x, scope, units):
            with tf.variable_scope(scope):
                return tf.matmul(x, tf.get_variable("w", [int(x.shape[1]), units]))

        y = tf.nn.relu(dense(x, "both", 11)) if shared else x
        losses = [
            tf.nn.softmax_cross_entropy_with_logits(
                labels=tf.ones([13, n]) / n, logits=dense(y, f"top{n}", n)
            )
            for n in units
        ]
        cost = tf.add(*map(tf.reduce_mean, losses))
        tf.train.MomentumOptimizer(0.1, 0.9).minimize(cost)
        return graph.as_graph_def(add_shapes=True), cost.op.name


def test_another_network_than_ours():
    found = diagram.find(*two_tops())
    assert [(layer.scope, layer.shape, layer.parameters) for layer in found.shared] == [
        ("both", (11,), 77)
    ]
    assert [(task.name, task.top.parameters, task.words) for task in found.tasks] == [
        ("top3", 33, ("cross entropy", "mean")),
        ("top5", 55, ("cross entropy", "mean")),
    ]
    assert (found.image, found.optimizer, found.updated, len(found.adds)) == (
        (7,),
        "Momentum",
        3,
        1,
    )


def test_a_graph_of_another_kind_is_an_error():
    with pytest.raises(LookupError, match="not that of tasks with a shared bottom"):
        diagram.find(*two_tops(shared=False))
    with tf.Graph().as_default() as graph:
        cost = tf.reduce_mean(tf.get_variable("v", [3]))
    with pytest.raises(LookupError, match="goes into"):
        diagram.find(graph.as_graph_def(add_shapes=True), cost.op.name)
