"""Training: build the graph, restore, and start the session loop of loop.py.

The caller provides the data, the evaluation and the reporting.
"""

import functools
import os
from typing import Any, Dict, NamedTuple

import tensorflow.compat.v1 as tf

from mtl import (
    checkpoint,
    config as config_lib,
    kinds,
    loop,
    losses,
    model,
    objectives,
    optimizer,
    run_files,
)
from mtl.errors import UsageError
from mtl.inputs import Inputs
from mtl.loop import DEFAULTS, Callbacks
from mtl.sessions import session_config, towers_of
from mtl.tasks import check, is_numbers, masked, parse, text

# -- build -----------------------------------------------------------------------------------------


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


def build(config, *, tasks=None, inputs=None):
    """Build the training graph: inputs -> bottom -> tops -> losses -> objective -> optimiser.

    Args:
      config: config.Config.
      tasks: list of tasks.Task, see tasks.check; None means those of config. The objective answer
        needs NUMBER_TASKS.
      inputs: inputs.Inputs; None means the images of numbers.

    Returns:
      Graph.
    """
    tasks = parse(config.tasks) if tasks is None else tasks
    inputs = inputs or Inputs(crop=config.crop_size)
    check(tasks, config.absent)
    values = tf.placeholder(inputs.dtype, [None, *inputs.network_shape], "images")
    zero = tf.zeros_initializer()
    step = tf.get_variable("global_step", [], tf.int64, zero, trainable=False, use_resource=True)
    network = model.build(
        model.prepare(values, inputs),
        tasks=tasks,
        training=True,
        dropout=config.dropout,
        top_dropout=config.top_dropout,
        seed=config.seed,
        step=step,
        precision=config.precision,
        towers=towers_of(config.threads, config.batch_size),
        **model.network_settings(config),
    )
    labels = {task.name: _label_placeholder(task) for task in tasks}
    means, update = _cost(config, tasks, network.logits, labels)
    rate = _learning_rate(config, step)
    optimiser = _optimiser(config, rate)
    pairs = update.gradients or optimizer.gradients(optimiser, update.cost, config.precision)
    # A variable that the cost does not depend on has no gradient and does not change.
    pairs = [(gradient, variable) for gradient, variable in pairs if gradient is not None]
    if not pairs:
        what = f"the cost of --objective={config.objective} depends on no variable"
        raise UsageError(f"{what}; compute it from logits or means")
    sums = {variable.op.name: tf.reduce_sum(gradient) for gradient, variable in pairs}
    watched = tf.stack([*means.values(), *sums.values()])
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
        minimize=_minimize(config, optimiser, pairs, step, rate, watched),
    )


def _label_placeholder(task):
    kind = kinds.find(task.kind)
    shape = [None, *kind.label_shape(task)]
    return tf.placeholder(tf.as_dtype(kind.DTYPE), shape, f"labels_{task.name}")


def _cost(config, tasks, logits, labels):
    """Return the mean loss of each task, dict task name -> float32 scalar, and the Update.

    The means are watched, because an infinite loss adds only 85.2 to the cost, with gradient 0.
    """
    objective = objectives.find(config.objective)
    numbers = is_numbers(tasks)  # they have labels for every example
    targets = {}
    for task in tasks:
        targets[task.name] = kinds.find(task.kind).targets(
            labels[task.name],
            task,
            smoothing=config.label_smoothing,
            complete=numbers,
            masked=masked(task, config.absent),
        )
    otherwise = None if numbers and config.absent == "x" else objective.NEUTRAL
    with tf.name_scope("cross_entropy"):
        means = losses.mean_losses(tasks, logits, targets, otherwise)
    return means, objective.build(logits, targets, means)


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


def _minimize(config, optimiser, pairs, step, rate, watched):
    """Build the operation of one training step.

    With on_nonfinite "skip", a NaN or infinity in `watched` skips the update.
    """
    update = functools.partial(
        optimizer.update,
        optimiser,
        pairs,
        step,
        rate=rate,
        precision=config.precision,
        clip_norm=config.clip_norm,
        weight_decay=config.weight_decay,
    )
    if config.on_nonfinite == "stop":
        # Without a condition, an update need not wait for the gradients of other variables.
        return update()
    return tf.cond(
        tf.reduce_all(tf.is_finite(watched)),
        lambda: tf.group(update()),
        lambda: tf.group(step.assign_add(1)),
    )


# -- run -------------------------------------------------------------------------------------------


def run(
    config,
    model_dir,
    source,
    evaluator,
    *,
    tasks=None,
    inputs=None,
    start=None,
    records=None,
    callbacks: Callbacks = DEFAULTS,
):
    """Train a network, or continue a run. A finished run does nothing.

    Args:
      config: config.Config.
      model_dir: str, the run directory; created once the first batch is valid.
      source: function first_step -> endless iterator of (inputs [batch, *inputs.network_shape] of
        type inputs.dtype, labels dict task name -> [batch], see mtl/kinds).
      evaluator: function session -> function () -> dict of metrics with "score", a float, the
        larger the better, or None. A "message" in it is reported, and not stored. Called once; its
        graph shares the variables. None skips evaluations and best weights.
      tasks: list of tasks.Task, those of config with the scales of train; None means no scales.
      inputs: inputs.Inputs; None means the images of numbers.
      start: str, the path of a checkpoint whose weights a new run starts from, or None.
      records: dict file name -> text, written into the run directory beside config.json.
      callbacks: Callbacks.

    Returns:
      dict: "step" reached, "best" score on validation, or None, and its "best_step".

    Raises:
      ValueError: tasks are not those of config, a batch fails tasks.check_labels or has other
        inputs, the source ends early, or an evaluation has no score. Before the first step, nothing
        is written.
      UsageError: the directory holds a run with other flags, or own code fails.
      DataError: the directory is not a run directory (see run_files.check_directory), a checkpoint
        cannot be read, or a file cannot be written.
      NotFiniteError: a loss, gradient or variable is infinite or NaN. That step is not saved.
      Interrupted: `callbacks.stop` returned a signal. The step was finished and saved.
      MtlError: a step does not fit into memory.
    """
    model_dir = os.fspath(model_dir)
    run_files.check_directory(model_dir)
    run_of = _run_of(config, tasks, inputs)
    saved, first, history = _reached(run_of, model_dir)
    unevaluated = evaluator and first in loop.due_steps(config) and not _evaluated(first, history)
    ended = first >= config.steps or run_files.is_exhausted(history, config.patience)
    if saved and ended and not unevaluated:
        callbacks.say(f"{model_dir}: {_end(config, first)}; nothing to do")
        return _result(first, history)

    options = session_config(config.threads, config.batch_size)
    with tf.Graph().as_default(), tf.Session(config=options) as session:
        training = _training(run_of, model_dir, session, evaluator, history, callbacks)
        training.restore(saved, start)
        session.graph.finalize()
        begin = functools.partial(training.begin, first, options, records or {}, unevaluated)
        step = training.loop(first, source, begin)
    return _result(step, history)


def _reached(run_of, model_dir):
    """Return the newest checkpoint of a directory or None, its step, and the evaluations so far."""
    saved = checkpoint.newest(model_dir)
    if saved:
        _check_same_run(run_of, model_dir)
    first = checkpoint.step_of(saved) if saved else 0
    return saved, first, run_files.read_metrics(model_dir, up_to=first)


def _training(run_of, model_dir, session, evaluator, history, callbacks):
    """Build the graph of a run in its session; return a loop.Training."""
    graph = build(run_of.config, tasks=run_of.tasks, inputs=run_of.inputs)
    if callbacks.watch:
        callbacks.watch(session, graph)
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        measure = evaluator(session) if evaluator else None
    return loop.Training(run_of, model_dir, session, graph, measure, history, callbacks)


def _run_of(config, tasks, inputs):
    """Return the run_files.Run of the arguments of `run`."""
    tasks = parse(config.tasks) if tasks is None else tuple(tasks)
    if text(tasks) != text(parse(config.tasks)):
        cure = f"pass Config(tasks={text(tasks)!r})"
        raise ValueError(f"tasks are {text(tasks)}, but config has {config.tasks}; {cure}")
    return run_files.Run(config, tasks, inputs or Inputs(crop=config.crop_size))


def _check_same_run(run_of, model_dir):
    """Raise UsageError if the run directory holds a run with other flags, scales or inputs."""
    held = run_files.read(model_dir)
    changed = config_lib.differences(held.config, run_of.config)
    if changed:
        allowed = ", --".join(config_lib.MAY_CHANGE)
        cure = "repeat those flags, or choose another --model_dir"
        what = f"holds a run with {', '.join(changed)}"
        raise UsageError(f"{model_dir}: {what}; {cure}; only --{allowed} may change")
    for what in ("tasks", "inputs"):
        now = getattr(run_of, what)
        if getattr(held, what) != now:
            found = f"holds a run with other {what} (now {now!s:.200})"
            raise UsageError(f"{model_dir}: {found}; use the same data, or another --model_dir")


def _end(config, step):
    """Return how a run ended, in words."""
    if step < config.steps:
        cure = f"raise --patience={config.patience} to continue"
        return f"stopped early at step {step}, {cure}"
    return f"finished at step {step}"


def _evaluated(step, history):
    return any(row["step"] == step for row in history)


def _result(step, history):
    best = run_files.best(history)
    if best is None:
        return {"step": step, "best": None, "best_step": None}
    return {"step": step, "best": run_files.score(best), "best_step": best["step"]}
