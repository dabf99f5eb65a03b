"""The optimiser: the learning rate of a step, and how gradients change the weights."""

import math

import tensorflow.compat.v1 as tf

from mtl import config as config_lib, layers


def learning_rate(base, schedule, step, steps, warmup_steps=0):
    """Return the learning rate at a step: constant, or decreasing to 0 at `steps`.

    Args:
      base: float, the rate at step 0, without a warmup.
      schedule: str, one of config.choices("schedule").
      step: int64 variable.
      steps: int, training steps in all.
      warmup_steps: int; before this step the rate is multiplied by (step + 1) / warmup_steps.

    Returns:
      float if constant without a warmup, else float32 scalar tensor.
    """
    config_lib.check("schedule", schedule)
    rate = base
    if schedule == "linear":
        rate = base * (1.0 - _done(step, steps))
    elif schedule == "cosine":
        rate = base * 0.5 * (1.0 + tf.cos(math.pi * _done(step, steps)))
    if warmup_steps:
        rate *= tf.minimum((tf.cast(step, tf.float32) + 1.0) / float(warmup_steps), 1.0)
    return rate


def _done(step, steps):
    """Return the share of the training steps that are done, float32 in 0..1."""
    return tf.minimum(tf.cast(step, tf.float32) / float(steps), 1.0)


def build(name, rate, *, momentum, beta1, beta2, epsilon):
    """Return a tf.train.Optimizer.

    Args:
      name: str, one of config.choices("optimizer"):
        adam: Kingma and Ba 2015, arXiv:1412.6980, in the form before section 2.1;
        momentum: velocity = momentum * velocity + gradient, w -= rate * velocity;
        sgd: w -= rate * gradient.
      rate: float, or float32 scalar tensor, see `learning_rate`.
      momentum: float in [0, 1), of momentum.
      beta1, beta2, epsilon: floats, of adam.
    """
    config_lib.check("optimizer", name)
    if name == "adam":
        return tf.train.AdamOptimizer(rate, beta1, beta2, epsilon)
    if name == "momentum":
        return tf.train.MomentumOptimizer(rate, momentum)
    return tf.train.GradientDescentOptimizer(rate)


def is_gated(precision):
    """Return whether a layer waits for all gradients of the layer above, TensorFlow's default.

    Without that wait, a step in bf16 is up to 1.14 times as fast, and oneDNN sums the gradients of
    a bias in float32 instead of bfloat16. In fp32 it is up to 1.09 times as slow.
    """
    return precision != "bf16"


def gradients(optimizer, cost, precision):
    """Return the list of (gradient, variable) of a cost; the gradient is None without a path.

    Args:
      optimizer: tf.train.Optimizer, see `build`.
      cost: float32 scalar tensor.
      precision: str, one of config.choices("precision"), of the network.
    """
    gate = optimizer.GATE_OP if is_gated(precision) else optimizer.GATE_NONE
    return optimizer.compute_gradients(cost, gate_gradients=gate)


def _delayed(pairs):
    """Delay the gradients from the third layer on until that of the second bias is known.

    It is for gradients that do not wait for each other, see `gradients`. The towers reach the first
    layers at different times. The updates of the large layers then fill the core that would wait
    for the last tower, and a step of `small` takes 0.95 times as long.

    Args:
      pairs: list of (gradient, variable), in order of creation: weight and bias of a layer.
    """
    with tf.control_dependencies([gradient for gradient, _ in pairs[3:4]]):
        later = [(tf.identity(gradient), variable) for gradient, variable in pairs[4:]]
    return pairs[:4] + later


def update(optimizer, pairs, step, *, rate, precision="fp32", clip_norm=0.0, weight_decay=0.0):
    """Build the operation of one training step. It also works in a branch of tf.cond.

    Weight decay is that of Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2, line 12:
    w -= rate * weight_decay * w, with w as it was before the step. It is no part of the gradient,
    so neither the clip nor the moments of Adam contain it. It is not applied to biases.

    Args:
      optimizer: tf.train.Optimizer, see `build`.
      pairs: list of (gradient, variable), without None.
      step: int64 variable; the operation adds 1.
      rate: float or float32 scalar tensor, the learning rate, which also scales the weight decay.
      precision: as of `gradients`.
      clip_norm: float; if the norm of all gradients together is larger, they are scaled to this
        norm (Pascanu et al. 2013, arXiv:1211.5063, algorithm 1). 0 adds no operation.
      weight_decay: float; 0 adds no operation.
    """
    if precision == "bf16":
        pairs = _delayed(pairs)
    if clip_norm:
        gradients, variables = zip(*pairs)
        clipped, _ = tf.clip_by_global_norm(gradients, clip_norm)
        pairs = list(zip(clipped, variables))
    if not weight_decay:
        return optimizer.apply_gradients(pairs, global_step=step)
    weights = [variable for _, variable in pairs if layers.name_of(variable).endswith("/w")]
    decays = [rate * weight_decay * w for w in weights]
    # Without these two waits, a decay could be computed from a weight that is already updated.
    with tf.control_dependencies([tf.group(decays)]):
        applied = optimizer.apply_gradients(pairs, global_step=step)
    with tf.control_dependencies([applied]):
        return tf.group([w.assign_sub(decay) for w, decay in zip(weights, decays)])
