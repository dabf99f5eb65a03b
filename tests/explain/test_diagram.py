"""The diagram agrees with TensorFlow's own record of the same graph."""

import itertools
import types

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import model, train
from mtl.explain import diagram, lines
from mtl.fields import hidden_units
from mtl.tasks import Task

pytestmark = pytest.mark.slow


def test_layers_are_variable_scopes_with_their_parameters(any_graph):
    found = diagram.of(any_graph)
    sizes = {}
    with any_graph.graph.as_default():
        for variable in tf.trainable_variables():
            scope = variable.op.name.rpartition("/")[0]
            sizes.setdefault(scope, []).append(int(np.prod(variable.shape.as_list())))
    layers = [*found.shared, *itertools.chain(*map(diagram.layers_of, found.tasks))]
    expected = {scope: sum(each) for scope, each in sizes.items()}
    assert {layer.scope: layer.parameters for layer in layers} == expected
    assert found.parameters == sum(expected.values())
    assert found.updated == sum(map(len, sizes.values()))
    assert all(layer.scope.startswith("shared/") for layer in found.shared)


def test_tasks_are_in_order_with_their_outputs(any_graph):
    found = diagram.of(any_graph)
    expected = [(task.name, (task.outputs,)) for task in any_graph.tasks]
    assert [(task.name, task.top.shape) for task in found.tasks] == expected
    assert len(found.adds) == len(expected) - 1
    assert found.adds[-1] == any_graph.named.cost.op.name
    names = {"adam": "Adam", "momentum": "Momentum", "sgd": "GradientDescent"}
    assert found.optimizer == names[any_graph.config.optimizer]
    units = hidden_units(any_graph.config.top_units)
    for task in found.tasks:
        assert tuple(layer.shape[0] for layer in task.hidden) == units
        assert [layer.scope for layer in task.hidden] == [
            f"{task.name}/dense{k + 1}" for k in range(len(units))
        ]


def test_losses_have_their_operations_and_words(any_graph):
    losses = {"height": ("Sub", "squared error")}
    for task in diagram.of(any_graph).tasks:
        type_, word = losses.get(task.name, ("SoftmaxCrossEntropyWithLogits", "cross entropy"))
        first = any_graph.graph.get_operation_by_name(task.loss[0])
        assert first.type == type_
        assert task.loss[-1] == any_graph.named.terms[task.name].op.name
        words = [word, "mean"]
        if any_graph.config.absent == "mask" or not any_graph.config.is_numbers:
            words[1] = "mean of labelled"
        if any_graph.config.objective == "log_sum":
            words += ["clip", "log"]
        assert [step.word for step in task.steps] == words


def test_each_layer_has_the_shape_that_the_next_layer_takes(any_graph):
    found = diagram.of(any_graph)
    before = found.inputs
    for layer in found.shared:
        product = next(
            op
            for op in any_graph.graph.get_operations()
            if op.name.startswith(f"{layer.scope}/")
            and op.type in ("Conv2D", "MatMul", "BatchMatMulV2")
        )
        taken = product.inputs[0].shape.as_list()
        if product.type == "Conv2D":
            assert tuple(taken[1:]) == before
        elif product.type == "MatMul":
            assert taken[1] == np.prod(before)
        before = layer.shape
    assert any_graph.named.network.features.shape.as_list()[1:] == list(before)


def test_words_of_small(small):
    found = diagram.of(small)
    assert found.inputs == (54, 54, 3)
    assert found.before == ("scaled to 0..1", "mean subtracted")
    rows = [(layer.scope, layer.kind, layer.then, layer.shape) for layer in found.shared]
    assert rows[0] == ("shared/conv1", "5x5 convolution", ("relu",), (27, 27, 48))
    assert rows[3] == ("shared/conv4", "3x3 convolution", ("max pooling", "relu"), (4, 4, 192))
    assert rows[4] == ("shared/dense1", "dense", ("relu",), (512,))


def test_words_of_residuals_and_dropout(graph_of):
    base = diagram.of(graph_of("masked")).shared
    residual = [layer.scope for layer in base if "residual" in layer.then]
    assert residual == ["shared/conv4", "shared/conv6"]
    assert base[-1].then == ("relu", "dropout")


def test_words_of_maxout_and_locally_connected_layers(graph_of):
    paper = diagram.of(graph_of("paper")).shared
    assert paper[0].then == ("max pooling", "maxout", "mean subtracted", "dropout")
    assert [(layer.kind, layer.shape) for layer in paper[7:9]] == [
        ("5x5 convolution", (4, 4, 192)),
        ("locally connected", (4, 4, 192)),
    ]


def test_words_of_own_inputs(graph_of):
    found = diagram.of(graph_of("own"))
    assert (found.inputs, found.before) == ((10, 12, 1), ("scaled to 0..1", "constant subtracted"))
    assert found.tasks[0].hidden[1].then == ("relu", "dropout")
    found = diagram.of(graph_of("features"))
    assert (found.inputs, found.before) == ((4,), ("standardised",))
    assert [task.output for task in found.tasks] == ["softmax", "scaled value", "softmax"]


# -- a record written here, with other names than the core's ---------------------------------------


def a_record(loss):
    """Return the lines.Explained of one task; `loss` is a function logits -> float32 scalar."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 7], "x")
        layers = {}
        y = x
        for scope, units in (("both", 11), ("top", 3)):
            with tf.variable_scope(scope):
                kernel = tf.get_variable("kernel", [int(y.shape[1]), units])
                y = tf.tanh(tf.matmul(y, kernel))
            layers[scope] = model.Layer(scope, (kernel,), y)
        features, logits = layers["both"].output, {"task": layers["top"].output}
        network = model.Model(
            x, (layers["both"],), features, {"task": (layers["top"],)}, logits, logits, {}
        )
        term = loss(logits["task"])
    named = types.SimpleNamespace(
        inputs=x,
        network=network,
        losses={"task": x},
        terms={"task": term},
        cost=term,
        gradients={},
    )
    tasks = (Task("task", 3),)
    return lines.Explained(None, tasks, inputs=None, graph=graph, named=named, ops={})


def test_names_of_variables_and_operations_do_not_matter():
    found = diagram.of(a_record(tf.reduce_mean))
    (layer,) = found.shared
    assert layer == diagram.Layer("both", "dense", ("Tanh",), (11,), 77)
    (task,) = found.tasks
    assert task.top.parameters == 33
    assert [step.word for step in task.steps] == ["mean"]
    assert (found.adds, found.optimizer, found.parameters) == ((), "", 110)


def test_a_layer_without_variables_has_words():
    explained = a_record(tf.reduce_mean)
    network = explained.named.network
    bare = model.Layer("pool", (), network.layers[0].output)
    explained.named.network = network._replace(layers=(bare,))
    (layer,) = diagram.of(explained).shared
    assert layer == diagram.Layer("pool", "layer", ("Tanh",), (11,), 0)


def test_a_term_that_does_not_depend_on_the_logits_is_an_error():
    with pytest.raises(LookupError, match="Const.* does not depend on top/Tanh"):
        diagram.of(a_record(lambda logits: tf.constant(1.0)))


def test_record_has_the_fields_of_a_training_graph():
    named = a_record(tf.reduce_mean).named
    assert vars(named).keys() <= set(train.Graph._fields)
