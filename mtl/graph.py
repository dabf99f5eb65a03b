"""The training graph: inputs -> bottom -> tops -> losses -> objective -> optimiser."""

import functools
from typing import Any, Callable, Dict, NamedTuple, Sequence

import tensorflow.compat.v1 as tf

from mtl import catalogue, kinds, losses, model, objectives, optimizer
from mtl.errors import UsageError
from mtl.inputs import Inputs
from mtl.sessions import towers_of
from mtl.tasks import check, is_numbers, masked, parse


class Graph(NamedTuple):
    """The named tensors and operations of a training graph. Dicts are in task order."""

    inputs: Any  # placeholder [batch, *inputs.network_shape] of inputs.dtype
    labels: Dict[str, Any]  # placeholders, task name -> [batch], see mtl/kinds
    step: Any  # int64 variable, the number of training steps done
    network: model.Model
    losses: Dict[str, Any]  # task name -> float32 scalar, the mean loss, before any clip or log
    terms: Dict[str, Any]  # task name -> float32 scalar; the cost is their sum
    cost: Any  # float32 scalar
    gradients: Dict[str, Any]  # variable name -> float32 scalar, the sum of its gradient
    watched: Any  # float32 [tasks + variables], losses and gradients: one fetch is faster than 30
    rate: Any  # the learning rate, a float if constant, else float32 scalar
    minimize: Any  # the operation of one training step
    shared: Sequence  # the variables of the bottom
    # () -> dict task name -> float32 scalar, the weight of its gradient. It adds operations.
    weights: Callable


def build(config, *, tasks=None, inputs=None, replica=None):
    """Build the training graph: inputs -> bottom -> tops -> losses -> objective -> optimiser.

    Args:
      config: config.Config.
      tasks: list of tasks.Task, see tasks.check; None means those of config. The objective answer
        needs NUMBER_TASKS.
      inputs: inputs.Inputs; None means the images of numbers.
      replica: cluster.replica.Replica, one of several workers that train together, or None.

    Returns:
      Graph.
    """
    tasks = parse(config.tasks) if tasks is None else tasks
    inputs = inputs or Inputs(crop=config.crop_size)
    check(tasks, config.absent)
    values = tf.placeholder(inputs.dtype, [None, *inputs.network_shape], "images")
    zero = tf.zeros_initializer()
    step = tf.get_variable("global_step", [], tf.int64, zero, trainable=False, use_resource=True)
    network = _network(config, tasks, model.prepare(values, inputs), step, replica)
    labels = {task.name: _label_placeholder(task) for task in tasks}
    targets = _targets(config, tasks, labels)
    means, labelled = _means(config, tasks, network.logits, targets, replica)
    update = _objective(config, network, means, labelled, targets, step, replica)
    rate = _learning_rate(config, step)
    optimiser = _optimiser(config, rate)
    pairs = update.gradients or optimizer.gradients(optimiser, update.cost, config.precision)
    # A variable that the cost does not depend on has no gradient and does not change.
    pairs = [(gradient, variable) for gradient, variable in pairs if gradient is not None]
    if not pairs:
        what = f"the cost of --objective={config.objective} depends on no variable"
        raise UsageError(f"{what}; compute it from logits or means")
    if replica and not update.gradients:
        pairs = replica.gradients(pairs)
    sums = {variable.op.name: tf.reduce_sum(gradient) for gradient, variable in pairs}
    watched = tf.stack([*means.values(), *sums.values()])
    again = functools.partial(_again, config, tasks, values, inputs, targets, step, replica)
    step_once = functools.partial(_step, config, optimiser, pairs, step, rate)
    is_finite = _is_finite(watched, update) if config.on_nonfinite == "skip" else None
    minimize = functools.partial(_minimize, step_once, step, is_finite)
    if replica:
        minimize = functools.partial(replica.minimize, pairs, minimize, is_finite)
    return Graph(
        inputs=values,
        labels=labels,
        step=step,
        network=network,
        losses=means,
        terms=update.terms,
        cost=update.cost,
        gradients=sums,
        watched=watched,
        rate=rate,
        minimize=minimize(update, again),
        shared=_shared(network),
        weights=functools.partial(_weights, update, means),
    )


def _label_placeholder(task):
    kind = kinds.find(task.kind)
    shape = [None, *kind.label_shape(task)]
    return tf.placeholder(tf.as_dtype(kind.DTYPE), shape, f"labels_{task.name}")


def _network(config, tasks, inputs, step, replica):
    """Build the network for training; a second call needs a scope that reuses the variables."""
    return model.build(
        inputs,
        tasks=tasks,
        training=True,
        dropout=config.dropout,
        top_dropout=config.top_dropout,
        seed=replica.seed(config.seed) if replica else config.seed,
        step=step,
        precision=config.precision,
        towers=towers_of(config.threads, config.batch_size),
        **model.network_settings(config),
    )


def _targets(config, tasks, labels):
    """Return what the losses compare with, dict task name -> float32 [batch, outputs]."""
    targets = {}
    for task in tasks:
        targets[task.name] = kinds.find(task.kind).targets(
            labels[task.name],
            task,
            smoothing=config.label_smoothing,
            complete=is_numbers(tasks),
            masked=masked(task, config.absent),
        )
    return targets


def _means(config, tasks, logits, targets, replica):
    """Return the mean loss of each task, dict task name -> float32 scalar, and Problem.labelled.

    The means are watched, because the cost hides what it clips: an infinite loss adds 85.2 to the
    cost and has gradient 0.
    """
    otherwise = None
    if not _is_complete(config, tasks):
        otherwise = objectives.find(config.objective).NEUTRAL
    labelled = functools.partial(losses.labelled, tasks, targets)
    with tf.name_scope("cross_entropy"):
        if replica:
            means, labelled = losses.whole_means(tasks, logits, targets, otherwise, replica.total)
        else:
            means = losses.mean_losses(tasks, logits, targets, otherwise)
    return means, None if otherwise is None else labelled


def _is_complete(config, tasks):
    """Return whether every example has a label of every task."""
    return is_numbers(tasks) and config.absent == "x"


def _objective(config, network, means, labelled, targets, step, replica):
    """Build the objective; return its Update."""
    objective = objectives.find(
        replica.objective(config.objective) if replica else config.objective
    )
    shared = _shared(network)
    if objective.NEEDS == catalogue.GRADIENTS and not shared:
        what = f"--bottom={config.bottom} has no variables, which --objective={config.objective}"
        raise UsageError(f"{what} needs; use --objective=linear")
    tops = [layer for layers in network.tops.values() for layer in layers]
    problem = objectives.Problem(
        means=means,
        logits=network.logits,
        labels=targets,
        shared=shared,
        own=[each for layer in tops for each in layer.variables],
        features=network.features,
        step=step,
        settings=objectives.settings(config),
        gated=optimizer.is_gated(config.precision),
        labelled=labelled,
        batch_size=config.batch_size,
        whole=replica.whole if replica else None,
    )
    return objective.build(problem)


def _shared(network):
    """Return the variables of the bottom."""
    return tuple(each for layer in network.layers for each in layer.variables)


def _weights(update, means):
    """Return the weight of each task's gradient, dict task name -> float32 scalar."""
    weights = update.weights() if callable(update.weights) else update.weights
    if weights is None:
        found = tf.gradients(update.cost, list(means.values()))
        weights = [tf.constant(0.0) if each is None else each for each in found]
    else:
        weights = tf.unstack(weights)
    return dict(zip(means, weights))


def _learning_rate(config, step):
    return optimizer.learning_rate(
        config.learning_rate, config.schedule, step, config.steps, config.warmup_steps
    )


def _optimiser(config, rate):
    return optimizer.build(
        config.optimizer,
        rate,
        momentum=config.momentum,
        beta1=config.beta1,
        beta2=config.beta2,
        epsilon=config.epsilon,
    )


def _again(config, tasks, values, inputs, targets, step, replica):
    """Build the network a second time; return its mean losses. They read the current variables."""
    scope = tf.variable_scope(
        tf.get_variable_scope(),
        auxiliary_name_scope=False,
        reuse=True,
        custom_getter=replica.read_again if replica else None,
    )
    with tf.name_scope("again"), scope:
        # The update has counted the step. Its dropout masks are those of the step before.
        network = _network(config, tasks, model.prepare(values, inputs), step - 1, replica)
        return _means(config, tasks, network.logits, targets, replica)[0]


def _step(config, optimiser, pairs, step, rate, update, again):
    """Build the operation that updates the weights, and what the objective remembers."""
    apply = functools.partial(
        optimizer.update,
        optimiser,
        pairs,
        step,
        rate=rate,
        precision=config.precision,
        clip_norm=config.clip_norm,
        weight_decay=config.weight_decay,
    )
    if not update.state and not update.follow:
        return apply()
    # Without this wait, a value could be computed from weights or a step that already changed.
    with tf.control_dependencies([value for _, value in update.state]):
        applied = apply()
    assigned = [variable.assign(value) for variable, value in update.state]
    if update.follow:
        with tf.control_dependencies([applied]):
            assigned += [variable.assign(value) for variable, value in update.follow(again())]
    return tf.group(applied, *assigned)


def _is_finite(watched, update):
    """Return whether all watched values are finite, a bool scalar."""
    # `_step` waits for the state too, but what is inside a tf.cond does not always wait for what
    # is outside. It always waits for the condition.
    with tf.control_dependencies([value for _, value in update.state]):
        return tf.reduce_all(tf.is_finite(watched))


def _minimize(step_once, step, is_finite, update, again):
    """Build the operation of one training step, skipped unless is_finite, a bool or None."""
    if is_finite is None:
        # Without a condition, an update need not wait for the gradients of other variables.
        return step_once(update, again)
    return tf.cond(
        is_finite,
        lambda: tf.group(step_once(update, again)),
        lambda: tf.group(step.assign_add(1)),
    )
