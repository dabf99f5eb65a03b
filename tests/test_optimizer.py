"""mtl.optimizer: schedules, and three steps of each optimiser against NumPy."""

import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import config, layers, optimizer

SETTINGS = {"momentum": 0.7, "beta1": 0.6, "beta2": 0.8, "epsilon": 0.01}
DEFAULTS = {name: getattr(config.Config, name) for name in SETTINGS}
RATE = 0.3
# The value and the gradient of each variable before the first step; the weight is called w.
VALUES = {
    "top/w": np.float32([[0.5, -2.0], [3.0, 0.25], [-1.0, 7.0]]),
    "top/b": np.float32([2, -3]),
}
GRADIENTS = {name: np.float32(0.1) * value + np.float32(0.6) for name, value in VALUES.items()}


# -- the learning rate -----------------------------------------------------------------------------


def rates(schedule, steps, at, warmup_steps=0):
    """Return the learning rates of a schedule from 0.25 at some steps."""
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        rate = optimizer.learning_rate(0.25, schedule, step, steps, warmup_steps)
        return [session.run(tf.convert_to_tensor(rate), {step: now}) for now in at]


@pytest.mark.parametrize(
    "schedule, share",
    [
        ("constant", lambda done: 1.0),
        ("linear", lambda done: 1 - done),
        ("cosine", lambda done: (1 + math.cos(math.pi * done)) / 2),
    ],
)
def test_learning_rate_follows_the_schedule_and_the_warmup(schedule, share):
    steps = (0, 1, 7, 8, 20, 33, 39, 40)
    expected = [0.25 * share(step / 40) for step in steps]
    # A run that is continued with fewer steps than it has done keeps the last rate.
    found = rates(schedule, 40, [*steps, 55])
    assert found == pytest.approx([*expected, expected[-1]], abs=1e-7)
    # A warmup of 9 steps: the first has a ninth of the rate, the ninth has all of it.
    factors = [1 / 9, 2 / 9, 8 / 9, 1, 1, 1, 1, 1]
    warm = rates(schedule, 40, steps, warmup_steps=9)
    assert warm == pytest.approx(np.multiply(expected, factors), abs=1e-7)


def test_unknown_schedule_is_an_error():
    with pytest.raises(ValueError, match="schedule=step must be one of constant, linear, cosine"):
        optimizer.learning_rate(0.25, "step", 0, 40)


def test_every_schedule_is_implemented():
    found = [rates(schedule, 4, [2]) for schedule in config.choices("schedule")]
    np.testing.assert_allclose(found, [[0.25], [0.125], [0.125]], atol=1e-7)


# -- the gradients ---------------------------------------------------------------------------------


def gradients(precision, dtype):
    """Return the gradients of two convolutions, dict name -> array, and the number of waits."""
    pixels = np.random.RandomState(0).uniform(-1, 1, (2, 6, 5, 3))
    with tf.Graph().as_default() as graph, tf.Session() as session:
        x = tf.nn.relu(layers.conv(tf.constant(pixels, dtype), "conv1", 4, size=3, seed=0))
        x = tf.cast(layers.conv(x, "conv2", 5, size=3, seed=0), tf.float32)
        chosen = optimizer.build("adam", RATE, **SETTINGS)
        pairs = optimizer.gradients(chosen, tf.reduce_sum(tf.square(x)), precision)
        waits = [each for each in graph.get_operations() if each.name.endswith("group_deps")]
        session.run(tf.global_variables_initializer())
        found = session.run({variable.op.name: gradient for gradient, variable in pairs})
        return found, len(waits)


@pytest.mark.parametrize("dtype, error", [(tf.float32, 1e-5), (tf.bfloat16, 0.03)])
def test_gradients_wait_for_each_other_only_in_fp32_and_are_the_same(dtype, error):
    expected, waits = gradients("fp32", dtype)
    found, none = gradients("bf16", dtype)
    assert waits and not none
    assert set(found) == {"conv1/w", "conv1/b", "conv2/w", "conv2/b"} == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=error * np.abs(value).max())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_only_in_bf16_updates_of_later_layers_wait_for_the_second_bias(precision):
    with tf.Graph().as_default() as graph:
        step = tf.train.get_or_create_global_step()
        x = tf.ones([2, 3])
        for scope in ("one", "two", "three"):
            x = layers.dense(x, scope, 3, seed=0)
        chosen = optimizer.build("sgd", RATE, **SETTINGS)
        pairs = optimizer.gradients(chosen, tf.reduce_sum(x), precision)
        optimizer.update(chosen, pairs, step, rate=RATE, precision=precision)
        updates = [op for op in graph.get_operations() if op.type == "ResourceApplyGradientDescent"]
        assert [op.inputs[0] for op in updates] == [variable.handle for _, variable in pairs]
        second_bias = pairs[3][0].op
        waits = [second_bias in op.inputs[2].op.control_inputs for op in updates]
        assert waits == [False] * 4 + [precision == "bf16"] * 2


# -- the update ------------------------------------------------------------------------------------


def top():
    """Create the variables of VALUES and the step; return them and (gradient, variable) pairs."""
    variables = {}
    with tf.variable_scope("top"):
        for name in ("w", "b"):
            variables[f"top/{name}"] = layers.variable(name, VALUES[f"top/{name}"].shape, 0.0, 0)
    step = tf.get_variable("global_step", [], tf.int64, trainable=False, use_resource=True)
    # The gradients depend on the weights, so that a step sees whether the last one was complete.
    pairs = [(0.1 * variable + 0.6, variable) for variable in variables.values()]
    return variables, step, pairs


def trained(name, steps=3, branch=False, rate=RATE, **options):
    """Return the variables after some steps, dict name -> array, and the step that was counted."""
    with tf.Graph().as_default(), tf.Session() as session:
        variables, step, pairs = top()
        if callable(rate):
            rate = rate(step)
        chosen = optimizer.build(name, rate, **SETTINGS)

        def update():
            return optimizer.update(chosen, pairs, step, rate=rate, **options)

        if branch:
            minimize = tf.cond(tf.less(step, 100), lambda: tf.group(update()), tf.no_op)
        else:
            minimize = update()
        session.run(tf.global_variables_initializer())
        for key, variable in variables.items():
            variable.load(VALUES[key], session)
        session.run(tf.assign(step, 0))
        for _ in range(steps):
            session.run(minimize)
        return session.run(variables), session.run(step)


def adam(step, gradient, slots):
    beta1, beta2 = SETTINGS["beta1"], SETTINGS["beta2"]
    slots["m"] = beta1 * slots.get("m", 0) + (1 - beta1) * gradient
    slots["v"] = beta2 * slots.get("v", 0) + (1 - beta2) * gradient**2
    correction = math.sqrt(1 - beta2**step) / (1 - beta1**step)
    return correction * slots["m"] / (np.sqrt(slots["v"]) + SETTINGS["epsilon"])


def momentum(step, gradient, slots):
    slots["v"] = SETTINGS["momentum"] * slots.get("v", 0) + gradient
    return slots["v"]


def sgd(step, gradient, slots):
    return gradient


def in_numpy(direction, clip_norm=math.inf, weight_decay=0.0, rate=lambda step: RATE):
    """Return VALUES after three steps of the oracle: w -= rate * (direction + decay)."""
    values = {name: np.float64(value) for name, value in VALUES.items()}
    slots = {name: {} for name in values}
    for step in (1, 2, 3):
        gradients = {name: 0.1 * value + 0.6 for name, value in values.items()}
        norm = math.sqrt(sum(np.sum(np.square(gradient)) for gradient in gradients.values()))
        for name, gradient in gradients.items():
            gradient = gradient * min(1, clip_norm / norm)
            decay = weight_decay * values[name] if name == "top/w" else 0.0
            change = direction(step, gradient, slots[name]) + decay
            values[name] = values[name] - rate(step - 1) * change
    return values


def assert_close(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


ORACLES = {"adam": adam, "momentum": momentum, "sgd": sgd}


@pytest.mark.parametrize("branch", [False, True])
@pytest.mark.parametrize("name", config.choices("optimizer"))
def test_three_steps_agree_with_numpy(name, branch):
    plain, steps = trained(name, branch=branch)
    assert_close(plain, in_numpy(ORACLES[name]))
    assert steps == 3
    everything = {"clip_norm": 0.8, "weight_decay": 0.15}
    found, steps = trained(name, branch=branch, **everything)
    assert_close(found, in_numpy(ORACLES[name], **everything))
    assert steps == 3


def test_clip_scales_all_gradients_together_only_above_the_norm():
    norm = math.sqrt(sum(np.sum(np.square(gradient)) for gradient in GRADIENTS.values()))
    plain, _ = trained("sgd", steps=1)
    below, _ = trained("sgd", steps=1, clip_norm=1.01 * norm)
    above, _ = trained("sgd", steps=1, clip_norm=norm / 4)
    assert_close(below, plain)
    quarter = {name: VALUES[name] - RATE * GRADIENTS[name] / 4 for name in VALUES}
    assert_close(above, quarter)


def test_weight_decay_is_decoupled_from_adam_and_spares_the_bias():
    plain, _ = trained("adam", steps=1)
    decayed, _ = trained("adam", steps=1, weight_decay=0.2)
    # The weight loses rate * decay of its old value, whatever Adam does with the gradient.
    np.testing.assert_allclose(
        plain["top/w"] - decayed["top/w"], RATE * 0.2 * VALUES["top/w"], rtol=1e-5
    )
    np.testing.assert_array_equal(decayed["top/b"], plain["top/b"])
    # With the same decay in the gradient (L2), Adam divides it by its own size.
    with_l2 = adam(1, GRADIENTS["top/w"] + 0.2 * VALUES["top/w"], {})
    assert np.max(np.abs(VALUES["top/w"] - RATE * with_l2 - decayed["top/w"])) > 0.3


def test_the_rate_of_a_step_scales_its_update_and_its_decay():
    def warm(step):
        return optimizer.learning_rate(RATE, "linear", step, 5, warmup_steps=2)

    found, _ = trained("momentum", rate=warm, weight_decay=0.15)
    shares = [1 / 2, 4 / 5, 3 / 5]
    expected = in_numpy(momentum, weight_decay=0.15, rate=lambda step: RATE * shares[step])
    assert_close(found, expected)


# -- the graph -------------------------------------------------------------------------------------


def graph_of(minimize):
    """Return the GraphDef of minimize(step, pairs) on the variables of `top`."""
    with tf.Graph().as_default() as graph:
        _, step, pairs = top()
        minimize(step, pairs)
        return graph.as_graph_def()


def test_default_graph_is_that_of_a_plain_adam_optimizer():
    def plain(step, pairs):
        done = tf.minimum(tf.cast(step, tf.float32) / 7.0, 1.0)
        rate = 0.1 * 0.5 * (1.0 + tf.cos(math.pi * done))
        tf.train.AdamOptimizer(rate).apply_gradients(pairs, global_step=step)

    def ours(step, pairs):
        rate = optimizer.learning_rate(0.1, "cosine", step, 7)
        chosen = optimizer.build("adam", rate, **DEFAULTS)
        optimizer.update(chosen, pairs, step, rate=rate)

    assert graph_of(ours) == graph_of(plain)


def test_unknown_optimizer_is_an_error():
    with pytest.raises(ValueError, match="optimizer=lion must be one of adam, momentum, sgd"):
        optimizer.build("lion", 0.1, **SETTINGS)
