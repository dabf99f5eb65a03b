"""The network: names, sharing, reachability, and what the outputs do not depend on.

tests/golden/variables_<bottom>.txt freeze names and shapes of all that a checkpoint of a run holds, Adam's slots among them. They are a
contract: checkpoints of old runs are read by these names. Only a change that is meant makes them again, from the project's directory:

    PYTHONPATH=. python tests/test_model.py
"""

import functools
import pathlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import bottoms, layers, model, train
from mtl.config import BOTTOMS, CHANNELS, CROP, Config
from mtl.tasks import NUMBER_TASKS, Task

GOLDEN = pathlib.Path(__file__).parent / "golden"
NAMES = [task.name for task in NUMBER_TASKS]
SIZE = (21, 13, 3)  # small, odd and distinct, so that no axis is taken for another


def images_of(size=SIZE):
    return tf.placeholder(tf.float32, [None, *size], "images")


def random_images(count, seed=1):
    return np.random.default_rng(seed).random([count, *SIZE], np.float32)


# -- names -----------------------------------------------------------------------------------------------------------------------------


def lines(variables):
    """Return "name shape" of each variable, shape as 3x3x32x64, sorted by name."""
    return sorted(
        f"{variable.op.name} {'x'.join(map(str, variable.shape.as_list())) or 'scalar'}"
        for variable in variables
    )


def variables_of_a_run(bottom):
    with tf.Graph().as_default():
        train.build(Config(bottom=bottom))
        return lines(tf.global_variables())


@pytest.mark.parametrize("bottom", BOTTOMS)
def test_the_variables_of_a_run_are_the_golden_ones(bottom):
    assert (
        variables_of_a_run(bottom)
        == (GOLDEN / f"variables_{bottom}.txt").read_text(encoding="utf-8").splitlines()
    )


@pytest.mark.parametrize("bottom", BOTTOMS)
def test_the_network_holds_the_weights_among_them(bottom):
    golden = (GOLDEN / f"variables_{bottom}.txt").read_text(encoding="utf-8").splitlines()
    weights = [line for line in golden if line.split()[0].endswith(("/w", "/b"))]
    with tf.Graph().as_default():
        model.build(images_of((CROP, CROP, CHANNELS)), bottom=bottom)
        assert lines(tf.global_variables()) == lines(tf.trainable_variables()) == weights


@pytest.mark.parametrize("bottom", BOTTOMS)
def test_the_golden_names_follow_the_contract(bottom):
    names = [
        line.split()[0]
        for line in (GOLDEN / f"variables_{bottom}.txt").read_text(encoding="utf-8").splitlines()
    ]
    weights = {name for name in names if name.endswith(("/w", "/b"))}
    assert {name.split("/")[0] for name in weights} == {"shared", *NAMES}
    assert all(f"{task}/{kind}" in weights for task in NAMES for kind in "wb")
    slots = {f"{name}/{slot}" for name in weights for slot in ("Adam", "Adam_1")}
    assert set(names) == weights | slots | {"beta1_power", "beta2_power", "global_step"}


def test_outputs_come_in_the_order_and_size_of_the_tasks():
    with tf.Graph().as_default():
        net = model.build(images_of())
        assert list(net.logits) == list(net.log_probs) == NAMES
        for task in NUMBER_TASKS:
            assert (
                net.logits[task.name].shape.as_list()
                == net.log_probs[task.name].shape.as_list()
                == [None, task.classes]
            )
        assert net.features.shape.as_list() == [None, 512]


def test_any_tasks_will_do():
    with tf.Graph().as_default():
        net = model.build(images_of(), tasks=[Task("colour", 3), Task("shape", 5)], bottom="mlp")
        assert {name: tensor.shape.as_list() for name, tensor in net.logits.items()} == {
            "colour": [None, 3],
            "shape": [None, 5],
        }
        assert {variable.op.name.split("/")[0] for variable in tf.global_variables()} == {
            "shared",
            "colour",
            "shape",
        }


def own_bottom(inputs, **settings):
    return layers.dense(layers.flatten(inputs), "mine", 5, seed=settings["seed"])


def test_a_function_serves_as_the_bottom():
    with tf.Graph().as_default():
        net = model.build(images_of(), bottom=own_bottom)
        assert net.features.shape.as_list() == [None, 5]
        (layer,) = net.layers
        names = [variable.op.name for variable in layer.variables]
        assert (layer.scope, names) == ("shared", ["shared/mine/w", "shared/mine/b"])


@pytest.mark.parametrize("outer", ["", "outer"])
@pytest.mark.parametrize("bottom", BOTTOMS)
def test_the_record_names_every_layer_and_its_variables(bottom, outer):
    with tf.Graph().as_default():
        with tf.variable_scope(outer or tf.get_variable_scope()):
            net = model.build(images_of((CROP, CROP, CHANNELS)), bottom=bottom, towers=2)
        found = [variable for layer in net.layers for variable in layer.variables]
        found += [variable for top in net.tops.values() for variable in top.variables]
        assert found == tf.trainable_variables()
        for layer in (*net.layers, *net.tops.values()):
            assert {variable.op.name for variable in layer.variables} == {
                f"{layer.scope}/w",
                f"{layer.scope}/b",
            }
        assert [top.output for top in net.tops.values()] == list(net.logits.values())
        assert net.layers[-1].output.shape.as_list() == net.features.shape.as_list()


# -- values ----------------------------------------------------------------------------------------------------------------------------


def test_a_top_is_one_dense_layer_on_the_features():
    with tf.Graph().as_default(), tf.Session() as session:
        images = images_of()
        net = model.build(images, seed=3)
        weights = {variable.op.name: variable for variable in tf.global_variables()}
        session.run(tf.global_variables_initializer())
        session.run(
            [
                weights[f"{name}/b"].assign(tf.range(float(weights[f"{name}/b"].shape[0])))
                for name in NAMES
            ]
        )
        fetches = [net.features, net.logits, net.log_probs, weights]
        features, all_logits, log_probs, weights = session.run(fetches, {images: random_images(5)})
    for name in NAMES:
        logits = np.float64(features) @ weights[f"{name}/w"] + weights[f"{name}/b"]
        np.testing.assert_allclose(all_logits[name], logits, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(
            log_probs[name],
            logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)),
            rtol=1e-4,
            atol=1e-4,
        )


@pytest.mark.parametrize("bottom", BOTTOMS)
def test_the_light_of_an_image_changes_nothing(bottom):
    with tf.Graph().as_default(), tf.Session() as session:
        images = images_of()
        net = model.build(images, bottom=bottom)
        session.run(tf.global_variables_initializer())
        pixels = random_images(5)
        light = np.float32([0.0, 0.25, -0.5, 1.0, -3.0]).reshape(
            5, 1, 1, 1
        )  # to each image its own: no mean of the batch
        one = session.run(net.features, {images: pixels})
        two = session.run(net.features, {images: pixels + light})
        np.testing.assert_allclose(two, one, rtol=1e-3, atol=1e-4)
        # A constant on one channel alone is a colour and does count.
        assert (
            np.abs(
                session.run(net.features, {images: pixels + np.float32([1, 0, 0])}) - one
            ).max()
            > 0.01
        )


@pytest.mark.parametrize("bottom", BOTTOMS)
def test_bf16_is_the_same_network_but_for_rounding(bottom):
    features, pixels = {}, random_images(5)
    for precision in ("fp32", "bf16"):
        with tf.Graph().as_default(), tf.Session() as session:
            images = images_of()
            net = model.build(images, bottom=bottom, precision=precision)
            assert {variable.dtype.base_dtype for variable in tf.global_variables()} == {tf.float32}
            assert {
                tensor.dtype
                for tensor in [net.features, *net.logits.values(), *net.log_probs.values()]
            } == {tf.float32}
            session.run(tf.global_variables_initializer())
            features[precision] = session.run(net.features, {images: pixels})
    assert (features["bf16"] != features["fp32"]).any()
    # bfloat16 keeps 8 bits. Through the eleven layers of paper that comes to 0.08 on processors without it, where oneDNN rounds more often.
    assert np.abs(features["bf16"] - features["fp32"]).max() < 0.12 * np.abs(features["fp32"]).max()


def test_an_image_without_contrast_gives_what_zeros_give():
    with tf.Graph().as_default(), tf.Session() as session:
        images = images_of()
        net = model.build(images)
        session.run(tf.global_variables_initializer())
        features = session.run(net.features, {images: np.full([2, *SIZE], 0.5, np.float32)})
    np.testing.assert_allclose(features, 0, atol=1e-5)  # all biases start from 0


def test_the_seed_decides_the_weights():
    def weights(seed):
        with tf.Graph().as_default(), tf.Session() as session:
            model.build(images_of(), bottom="mlp", seed=seed)
            session.run(tf.global_variables_initializer())
            return session.run({variable.op.name: variable for variable in tf.global_variables()})

    one, same, other = weights(1), weights(1), weights(2)
    for name, value in one.items():
        np.testing.assert_array_equal(value, same[name])
        assert name.endswith("/b") or not np.any(value == other[name])


def test_dropout_is_on_in_training_alone():
    with tf.Graph().as_default(), tf.Session() as session:
        images, step = images_of(), tf.placeholder(tf.int64, [])
        with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE):
            trained = model.build(images, training=True, dropout=0.5, step=step)
            used = model.build(images, training=False, dropout=0.5)
            plain = model.build(images)
        session.run(tf.global_variables_initializer())
        trained, used, plain = session.run(
            [trained.features, used.features, plain.features], {images: random_images(7), step: 1}
        )
    np.testing.assert_array_equal(used, plain)
    assert 0.4 < np.mean(trained[plain > 0] == 0) < 0.6


# -- the graph -------------------------------------------------------------------------------------------------------------------------


def test_a_second_network_in_one_graph_is_refused():
    with tf.Graph().as_default():
        images = images_of()
        model.build(images, bottom="mlp")
        with pytest.raises(ValueError, match="shared/dense1/w already exists"):
            model.build(images, bottom="mlp")


def test_auto_reuse_shares_the_variables():
    with tf.Graph().as_default(), tf.Session() as session:
        images = images_of()
        with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE):
            one = model.build(images)
            count = len(tf.global_variables())
            two = model.build(images)
        assert len(tf.global_variables()) == count == 2 * (5 + 6)
        session.run(tf.global_variables_initializer())
        session.run([variable.assign(0.5 * variable + 0.01) for variable in tf.global_variables()])
        fetches = [(net.features, net.logits) for net in (one, two)]
        one, two = session.run(fetches, {images: random_images(3)})
    np.testing.assert_array_equal(one[0], two[0])
    for name in NAMES:
        np.testing.assert_array_equal(one[1][name], two[1][name])


def graph_of_training(bottom, before=lambda: None):
    with tf.Graph().as_default() as graph:
        before()
        net = model.build(
            images_of(),
            bottom=bottom,
            training=True,
            dropout=0.5,
            seed=3,
            step=tf.placeholder(tf.int64, [], "step"),
        )
        return graph, net, list(tf.global_variables())


@pytest.mark.parametrize("bottom", BOTTOMS)
def test_two_builds_make_the_same_graph(bottom):
    one, two = (graph_of_training(bottom)[0].as_graph_def() for _ in range(2))
    assert [node.name for node in one.node] == [node.name for node in two.node]
    assert one == two


@pytest.mark.parametrize("bottom", BOTTOMS)
def test_every_operation_is_reachable_from_the_outputs(bottom):
    graph, net, variables = graph_of_training(bottom)
    waiting = [net.features.op] + [
        tensor.op for outputs in (net.logits, net.log_probs) for tensor in outputs.values()
    ]
    waiting += [variable.initializer for variable in variables]
    reached = set()
    while waiting:
        op = waiting.pop()
        if op not in reached:
            reached.add(op)
            waiting += [tensor.op for tensor in op.inputs] + list(op.control_inputs)
    # TensorFlow itself makes two operations with each resource variable that wait for a caller.
    made = {op.name for op in reached} | {
        f"{variable.op.name}/{name}"
        for variable in variables
        for name in ("Read/ReadVariableOp", "IsInitialized/VarIsInitializedOp")
    }
    assert [op.name for op in graph.get_operations() if op.name not in made] == []


def test_building_leaves_nothing_behind_in_collections():
    graph, _, variables = graph_of_training("small")
    assert set(graph.get_all_collection_keys()) <= {
        tf.GraphKeys.GLOBAL_VARIABLES,
        tf.GraphKeys.TRAINABLE_VARIABLES,
    }
    assert graph.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES) == variables


def test_operations_before_it_change_no_draw():
    def clutter():
        tf.random.uniform([2])
        layers.dense(tf.ones([3, 5]), "clutter", 2, seed=8)

    def features(before):
        graph, net, variables = graph_of_training("mlp", before)
        with tf.Session(graph=graph) as session:
            session.run([variable.initializer for variable in variables])
            return session.run(net.features, {"images:0": random_images(3), "step:0": 4})

    np.testing.assert_array_equal(features(lambda: None), features(clutter))


def test_to_float():
    with tf.Graph().as_default(), tf.Session() as session:
        out = session.run(model.to_float(tf.constant(np.arange(256, dtype=np.uint8))))
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, np.arange(256) / 255.0, rtol=1e-7)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64, tf.int32, tf.bool])
def test_to_float_takes_uint8_alone(dtype):
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(dtype, [None, *SIZE], "pixels")
        with pytest.raises(ValueError) as caught:
            model.to_float(images)
        assert [operation.name for operation in graph.get_operations()] == ["pixels"]
    assert str(caught.value) == (
        f"images must be a tensor of type uint8, got pixels:0 of type {dtype.name}; "
        "pass float32 in 0..1 to model.build as they are"
    )


@pytest.mark.parametrize("bottom", ["mlp", "small", "base"])
def test_towers_compute_what_one_computes_with_the_same_variables(bottom):
    images = np.random.default_rng(6).integers(0, 256, [7, 21, 13, 3]).astype(np.float32) / 255.0
    found = []
    for towers in (1, 3):  # of 2, 2 and 3 images
        with tf.Graph().as_default(), tf.Session() as session:
            net = model.build(
                tf.constant(images), bottom=bottom, training=True, seed=5, towers=towers
            )
            weights = tf.trainable_variables()
            cost = tf.add_n([tf.reduce_sum(rows * rows) for rows in net.logits.values()])
            session.run(tf.global_variables_initializer())
            values = session.run(
                [net.logits, dict(zip([w.op.name for w in weights], tf.gradients(cost, weights)))]
            )
            found.append((*values, [w.op.name for w in weights]))
    assert found[0][2] == found[1][2]
    for one, other in zip(found[0][:2], found[1][:2]):
        for name, value in one.items():
            np.testing.assert_allclose(
                other[name], value, rtol=1e-3, atol=1e-5 * np.abs(value).max(), err_msg=name
            )


def drop_half(x, *, seed, step):
    x = layers.dropout(layers.flatten(x), "drop", 0.5, seed=seed, step=step)
    return bottoms.Bottom(x, {})


def test_towers_drop_out_different_values():
    image = np.random.default_rng(6).random([1, 54, 54, 3]).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        with tf.variable_scope("shared"):
            step = tf.constant(4, tf.int64)
            four = tf.constant(np.repeat(image, 4, axis=0))
            bottom = bottoms._in_towers(functools.partial(drop_half, step=step), four, 2, seed=3)
        rows = session.run(bottom.features)
    assert rows.shape == (4, 54 * 54 * 3)
    assert not np.array_equal(rows[0] == 0.0, rows[2] == 0.0)
    assert 0.4 < (rows == 0.0).mean() < 0.6


# -- the mask --------------------------------------------------------------------------------------------------------------------------


def test_a_mask_takes_x_from_the_digits_alone():
    pixels = random_images(5)
    found = {}
    for absent in ("x", "mask"):
        with tf.Graph().as_default(), tf.Session() as session:
            images = images_of()
            net = model.build(
                images, bottom="mlp", absent=absent, tasks=[*NUMBER_TASKS, Task("colour", 11)]
            )
            session.run(tf.global_variables_initializer())
            fetches = {"logits": net.logits, "log_probs": net.log_probs}
            found[absent] = session.run(fetches, {images: pixels})
    for name in ("length", "colour"):
        np.testing.assert_array_equal(found["mask"]["log_probs"][name], found["x"]["log_probs"][name])
    for name in NAMES[1:]:
        assert found["mask"]["logits"][name].shape == (5, 11)
        np.testing.assert_array_equal(
            found["mask"]["logits"][name][:, :10], found["x"]["logits"][name][:, :10]
        )
        assert np.isfinite(found["mask"]["log_probs"][name]).all()
        assert (np.exp(found["mask"]["log_probs"][name][:, 10]) == 0.0).all()
        np.testing.assert_allclose(
            np.exp(found["mask"]["log_probs"][name][:, :10]).sum(axis=1), 1.0, rtol=1e-5
        )


# -- errors ----------------------------------------------------------------------------------------------------------------------------


def test_an_unknown_bottom_or_precision_is_named_beside_the_known_ones():
    with (
        tf.Graph().as_default(),
        pytest.raises(
            ValueError, match="bottom=smal must be one of mlp, small, base, paper"
        ),
    ):
        model.build(images_of(), bottom="smal")
    with (
        tf.Graph().as_default(),
        pytest.raises(ValueError, match="precision=half must be one of fp32, bf16"),
    ):
        model.build(images_of(), precision="half")
    with (
        tf.Graph().as_default(),
        pytest.raises(ValueError, match="absent=X must be one of x, mask"),
    ):
        model.build(images_of(), absent="X")


def test_images_must_have_four_axes():
    with (
        tf.Graph().as_default(),
        pytest.raises(ValueError, match="layer shared takes a tensor of rank 4, got images:0"),
    ):
        model.build(tf.placeholder(tf.float32, [None, 21, 13], "images"))


@pytest.mark.parametrize("dtype", [tf.uint8, tf.int32, tf.float64, tf.bfloat16])
def test_images_must_be_float32(dtype):
    with tf.Graph().as_default():
        with pytest.raises(ValueError) as caught:
            model.build(tf.placeholder(dtype, [None, *SIZE], "pixels"))
        assert tf.global_variables() == []
    assert str(caught.value) == (
        f"images must be a tensor of type float32, got pixels:0 of type {dtype.name}; "
        "use model.to_float for uint8 pixels, tf.cast(images, tf.float32) for other floats"
    )


def test_arrays_are_checked_as_tensors_are():
    images = random_images(5)
    with tf.Graph().as_default():
        assert model.build(images, bottom="mlp").features.shape.as_list()[0] == 5
    with tf.Graph().as_default(), pytest.raises(ValueError, match="uint8; use model.to_float"):
        model.build(np.uint8(255 * images), bottom="mlp")
    with tf.Graph().as_default(), pytest.raises(ValueError, match="of type float32; pass float32"):
        model.to_float(images)


@pytest.mark.parametrize("shape", [[None, None, 13, 3], [None, 21, None, 3], [None, 21, 13, None]])
def test_images_must_have_a_static_size(shape):
    with tf.Graph().as_default(), pytest.raises(ValueError, match="static height, width.*images:0"):
        model.build(tf.placeholder(tf.float32, shape, "images"))


def test_dropout_needs_a_step():
    with (
        tf.Graph().as_default(),
        pytest.raises(ValueError, match="scope dropout1 needs the training step"),
    ):
        model.build(images_of(), bottom="mlp", training=True, dropout=0.5)


if __name__ == "__main__":
    for each in BOTTOMS:
        (GOLDEN / f"variables_{each}.txt").write_text(
            "\n".join(variables_of_a_run(each)) + "\n", encoding="utf-8"
        )
