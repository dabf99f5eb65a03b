"""mtl.model: names of variables, the record of the layers, sharing, and the graph.

tests/golden/variables_BOTTOM.txt hold the names and shapes of all variables of a run. Checkpoints
of old runs are read by these names. To write the files again after an intended change, run this
from the root of the repository:

    PYTHONPATH=. python tests/test_model.py
"""

import pathlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import CROPPED, EACH_BOTTOM, image_placeholder, random_images
from mtl import layers, model, train
from mtl.config import BOTTOMS, Config
from mtl.tasks import NUMBER_TASKS, Task

GOLDEN = pathlib.Path(__file__).parent / "golden"
NAMES = [task.name for task in NUMBER_TASKS]

each_bottom = pytest.mark.parametrize("bottom", EACH_BOTTOM)


# -- names of variables ----------------------------------------------------------------------------


def golden_path(bottom):
    return GOLDEN / f"variables_{bottom}.txt"


def golden_lines(bottom):
    return golden_path(bottom).read_text(encoding="utf-8").splitlines()


def lines_of(variables):
    """Return a sorted list of "NAME SHAPE", with shapes such as 3x3x32x64."""
    lines = []
    for variable in variables:
        shape = "x".join(str(size) for size in variable.shape.as_list())
        lines.append(f"{variable.op.name} {shape or 'scalar'}")
    return sorted(lines)


def lines_of_run(bottom):
    """Build the training graph of a bottom and describe its variables."""
    with tf.Graph().as_default():
        train.build(Config(bottom=bottom))
        return lines_of(tf.global_variables())


def is_weight(name):
    return name.endswith(("/w", "/b"))


@each_bottom
def test_variables_of_a_run_equal_the_golden_file(bottom):
    assert lines_of_run(bottom) == golden_lines(bottom)


@each_bottom
def test_network_creates_only_the_weights_of_the_golden_file(bottom):
    weights = [line for line in golden_lines(bottom) if is_weight(line.split()[0])]
    with tf.Graph().as_default():
        model.build(image_placeholder(CROPPED), bottom=bottom)
        assert lines_of(tf.global_variables()) == weights
        assert lines_of(tf.trainable_variables()) == weights


@each_bottom
def test_golden_names_follow_the_naming_rules(bottom):
    names = {line.split()[0] for line in golden_lines(bottom)}
    weights = {name for name in names if is_weight(name)}
    assert {name.split("/")[0] for name in weights} == {"shared", *NAMES}
    for task in NAMES:
        assert {f"{task}/w", f"{task}/b"} <= weights
    slots = {f"{name}/{slot}" for name in weights for slot in ("Adam", "Adam_1")}
    assert names == weights | slots | {"beta1_power", "beta2_power", "global_step"}


# -- outputs and layers ----------------------------------------------------------------------------


def test_outputs_have_the_order_and_size_of_the_tasks():
    expected = {task.name: [None, task.outputs] for task in NUMBER_TASKS}
    with tf.Graph().as_default():
        net = model.build(image_placeholder())
        for outputs in (net.logits, net.log_probs):
            assert list(outputs) == NAMES
            assert {name: each.shape.as_list() for name, each in outputs.items()} == expected
        assert net.features.shape.as_list() == [None, 512]


def test_accepts_any_tasks():
    tasks = [Task("colour", 3), Task("shape", 5)]
    with tf.Graph().as_default():
        net = model.build(image_placeholder(), tasks=tasks, bottom="mlp")
        shapes = {name: logits.shape.as_list() for name, logits in net.logits.items()}
        scopes = {variable.op.name.split("/")[0] for variable in tf.global_variables()}
    assert shapes == {"colour": [None, 3], "shape": [None, 5]}
    assert scopes == {"shared", "colour", "shape"}


def own_bottom(inputs, **settings):
    return layers.dense(layers.flatten(inputs), "mine", 5, seed=settings["seed"])


def test_accepts_a_function_as_the_bottom():
    with tf.Graph().as_default():
        net = model.build(image_placeholder(), bottom=own_bottom)
    assert net.features.shape.as_list() == [None, 5]
    (layer,) = net.layers
    assert layer.scope == "shared"
    assert [variable.op.name for variable in layer.variables] == ["shared/mine/w", "shared/mine/b"]


@pytest.mark.parametrize("outer", ["", "outer"])
@each_bottom
def test_record_lists_every_layer_with_its_variables(bottom, outer):
    with tf.Graph().as_default():
        with tf.variable_scope(outer or tf.get_variable_scope()):
            net = model.build(
                image_placeholder(CROPPED), bottom=bottom, top_units=(5, 3), towers=2
            )
        tops = [layer for layers_of in net.tops.values() for layer in layers_of]
        recorded = [*net.layers, *tops]
        variables = [variable for layer in recorded for variable in layer.variables]
        assert variables == tf.trainable_variables()
    for layer in recorded:
        names = {variable.op.name for variable in layer.variables}
        assert names == {f"{layer.scope}/w", f"{layer.scope}/b"}
    assert [top[-1].output for top in net.tops.values()] == list(net.logits.values())
    assert net.layers[-1].output.shape.as_list() == net.features.shape.as_list()


# -- sharing ---------------------------------------------------------------------------------------


def test_second_network_in_one_graph_raises():
    with tf.Graph().as_default():
        images = image_placeholder()
        model.build(images, bottom="mlp")
        with pytest.raises(ValueError, match="shared/dense1/w already exists"):
            model.build(images, bottom="mlp")


def test_auto_reuse_shares_the_variables():
    with tf.Graph().as_default(), tf.Session() as session:
        images = image_placeholder()
        with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE):
            first = model.build(images)
            count = len(tf.global_variables())
            second = model.build(images)
        assert len(tf.global_variables()) == count == 2 * (5 + 6)  # w and b: 5 layers and 6 tops
        session.run(tf.global_variables_initializer())
        session.run([variable.assign(0.5 * variable + 0.01) for variable in tf.global_variables()])
        fetches = [{**net.logits, "features": net.features} for net in (first, second)]
        first, second = session.run(fetches, {images: random_images(3)})
    for name, value in first.items():
        np.testing.assert_array_equal(second[name], value, err_msg=name)


# -- the graph -------------------------------------------------------------------------------------


def build_for_training(bottom):
    """Build a network with dropout into the current graph."""
    step = tf.placeholder(tf.int64, [], "step")
    return model.build(
        image_placeholder(), bottom=bottom, training=True, dropout=0.5, seed=3, step=step
    )


def graph_of_training(bottom):
    with tf.Graph().as_default() as graph:
        build_for_training(bottom)
    return graph


@each_bottom
def test_two_builds_make_the_same_graph(bottom):
    first = graph_of_training(bottom).as_graph_def()
    second = graph_of_training(bottom).as_graph_def()
    assert [node.name for node in first.node] == [node.name for node in second.node]
    assert first == second


def names_above(operations):
    """Return the names of the operations that some operations depend on, and their own."""
    found = set()
    waiting = list(operations)
    while waiting:
        operation = waiting.pop()
        if operation.name not in found:
            found.add(operation.name)
            waiting += [tensor.op for tensor in operation.inputs]
            waiting += operation.control_inputs
    return found


@each_bottom
def test_outputs_depend_on_every_operation(bottom):
    with tf.Graph().as_default() as graph:
        net = build_for_training(bottom)
        variables = tf.global_variables()
    outputs = [net.features, *net.logits.values(), *net.log_probs.values()]
    used = names_above([tensor.op for tensor in outputs] + [each.initializer for each in variables])
    for variable in variables:
        # TensorFlow itself adds these two to each resource variable.
        used.add(f"{variable.op.name}/Read/ReadVariableOp")
        used.add(f"{variable.op.name}/IsInitialized/VarIsInitializedOp")
    assert [each.name for each in graph.get_operations() if each.name not in used] == []


def test_build_adds_only_variables_to_collections():
    graph = graph_of_training("small")
    keys = set(graph.get_all_collection_keys())
    assert keys == {tf.GraphKeys.GLOBAL_VARIABLES, tf.GraphKeys.TRAINABLE_VARIABLES}
    trainable = graph.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES)
    assert trainable == graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)


def features_after(add_operations):
    """Return the features of a network built after other operations."""
    with tf.Graph().as_default(), tf.Session() as session:
        add_operations()
        net = build_for_training("mlp")
        session.run(tf.global_variables_initializer())
        return session.run(net.features, {"images:0": random_images(3), "step:0": 4})


def add_nothing():
    pass


def add_random_operations():
    tf.random.uniform([2])
    layers.dense(tf.ones([3, 5]), "clutter", 2, seed=8)


def test_earlier_operations_change_no_random_number():
    expected = features_after(add_nothing)
    np.testing.assert_array_equal(features_after(add_random_operations), expected)


if __name__ == "__main__":
    for each in BOTTOMS:
        golden_path(each).write_text("\n".join(lines_of_run(each)) + "\n", encoding="utf-8")
