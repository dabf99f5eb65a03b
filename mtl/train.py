"""Training: build the graph, restore, and start the session loop of loop.py.

The caller provides the data, the evaluation and the reporting.
"""

import math
import os
from typing import Any, Callable, Dict, NamedTuple, Optional

import tensorflow.compat.v1 as tf

from mtl import checkpoint, config as config_lib, loop, losses, model, objectives, run_files
from mtl.errors import UsageError
from mtl.tasks import NUMBER_TASKS, check, masked

IMAGES_PER_TOWER = 8  # the minimum; with fewer, a second tower makes a step slower


# -- build -----------------------------------------------------------------------------------------


class Graph(NamedTuple):
    """The named tensors and operations of a training graph. Dicts are in task order."""

    images: Any  # placeholder, uint8 [batch, crop, crop, channels]
    labels: Dict[str, Any]  # placeholders, task name -> int32 [batch]
    step: Any  # int64 variable, the number of training steps done
    network: model.Model
    losses: Dict[str, Any]  # task name -> float32 scalar, the mean loss, before any clip or log
    terms: Dict[str, Any]  # task name -> float32 scalar; the cost is their sum
    cost: Any  # float32 scalar
    gradients: Dict[str, Any]  # variable name -> float32 scalar, the sum of its gradient
    watched: Any  # float32 [tasks + variables], losses and gradients: one fetch is faster than 30
    minimize: Any  # the operation of one training step


def build(config, *, tasks=NUMBER_TASKS):
    """Build the training graph: images -> bottom -> tops -> losses -> objective -> Adam.

    Args:
      config: config.Config.
      tasks: list of tasks.Task, see tasks.check; the objective answer needs NUMBER_TASKS.

    Returns:
      Graph.
    """
    check(tasks, config.absent)
    size = config_lib.CROP
    images = tf.placeholder(tf.uint8, [None, size, size, config_lib.CHANNELS], "images")
    classes = {task.name: tf.placeholder(tf.int32, [None], f"labels_{task.name}") for task in tasks}
    zero = tf.zeros_initializer()
    step = tf.get_variable("global_step", [], tf.int64, zero, trainable=False, use_resource=True)
    network = model.build(
        model.to_float(images),
        tasks=tasks,
        bottom=config.bottom,
        training=True,
        dropout=config.dropout,
        seed=config.seed,
        step=step,
        precision=config.precision,
        absent=config.absent,
        towers=towers_of(config.threads, config.batch_size),
    )
    labels = {
        task.name: losses.smooth(
            classes[task.name],
            task.classes,
            config.label_smoothing,
            masked(task, config.absent),
        )
        for task in tasks
    }
    means = _mean_losses(config, network.logits, labels)
    update = objectives.find(config.objective).build(network.logits, labels, means)
    adam = tf.train.AdamOptimizer(
        learning_rate(config.learning_rate, config.schedule, step, config.steps)
    )
    pairs = update.gradients or adam.compute_gradients(update.cost)
    # A variable that the cost does not depend on has no gradient and does not change.
    pairs = [(gradient, variable) for gradient, variable in pairs if gradient is not None]
    sums = {variable.op.name: tf.reduce_sum(gradient) for gradient, variable in pairs}
    watched = tf.stack([*means.values(), *sums.values()])
    minimize = _minimize(adam, pairs, step, watched, config.on_nonfinite)
    return Graph(
        images=images,
        labels=classes,
        step=step,
        network=network,
        losses=means,
        terms=update.terms,
        cost=update.cost,
        gradients=sums,
        watched=watched,
        minimize=minimize,
    )


def _mean_losses(config, logits, labels):
    """Return the mean loss of each task, dict task name -> float32 scalar.

    They are checked separately, because the cost hides what it clips: an infinite loss adds 85.2 to
    the cost and has gradient 0.
    """
    with tf.name_scope("cross_entropy"):
        if config.absent == "mask":
            otherwise = objectives.find(config.objective).NEUTRAL
            return losses.labelled_cross_entropies(logits, labels, otherwise)
        return losses.cross_entropies(logits, labels)


def _minimize(adam, pairs, step, watched, on_nonfinite):
    """Build the operation of one training step.

    With on_nonfinite "skip", a NaN or infinity in `watched` skips the update.
    """
    if on_nonfinite == "stop":
        # Without a condition, an update need not wait for the gradients of other variables.
        return adam.apply_gradients(pairs, global_step=step)
    return tf.cond(
        tf.reduce_all(tf.is_finite(watched)),
        lambda: tf.group(adam.apply_gradients(pairs, global_step=step)),
        lambda: tf.group(step.assign_add(1)),
    )


def learning_rate(base, schedule, step, steps):
    """Return the learning rate at a step: constant, or decreasing to 0 at `steps`.

    Args:
      base: float, the rate at step 0.
      schedule: str, one of config.choices("schedule").
      step: int64 variable.
      steps: int, training steps in all.

    Returns:
      float if constant, else float32 scalar tensor.
    """
    config_lib.check("schedule", schedule)
    if schedule == "constant":
        return base
    done = tf.minimum(tf.cast(step, tf.float32) / float(steps), 1.0)
    if schedule == "linear":
        return base * (1.0 - done)
    return base * 0.5 * (1.0 + tf.cos(math.pi * done))


def towers_of(threads, batch_size):
    """Return the number of towers: at most one for each thread, each with IMAGES_PER_TOWER images.

    Args:
      threads: int; 0 is one for each core.
      batch_size: int.
    """
    return max(1, min(threads or os.cpu_count() or 1, batch_size // IMAGES_PER_TOWER))


def session_config(threads, batch_size):
    """Return a tf.ConfigProto that runs the towers in parallel.

    Args:
      threads: int, shared by the towers; 0 is one for each core.
      batch_size: int.
    """
    # By default oneDNN compiles the gradients of convolutions again at every step.
    os.environ.setdefault("TF_MKL_OPTIMIZE_PRIMITIVE_MEMUSE", "0")
    threads = threads or os.cpu_count() or 1
    towers = towers_of(threads, batch_size)
    return tf.ConfigProto(
        intra_op_parallelism_threads=threads // towers, inter_op_parallelism_threads=towers
    )


# -- run -------------------------------------------------------------------------------------------


def _never():
    return 0


class Callbacks(NamedTuple):
    """Functions that a run calls while it trains."""

    say: Callable = print  # (str): one-off messages
    # (session, Graph): may add operations before the graph is finalized.
    watch: Optional[Callable] = None
    # (step, cost, losses, images, labels), every config.log_every steps.
    progress: Optional[Callable] = None
    # (step, cost, losses), after every step, so it must take no time.
    each_step: Optional[Callable] = None
    # () -> int: the number of a received signal, which stops the run, or 0. Called after each step
    # and while waiting for a batch.
    stop: Callable = _never


DEFAULTS = Callbacks()


def run(config, model_dir, source, evaluator, *, start=None, records=None, callbacks=DEFAULTS):
    """Train the six tasks of a number, or continue a run. A finished run does nothing.

    Args:
      config: config.Config.
      model_dir: str, the run directory; created once the first batch is valid.
      source: function first_step -> endless iterator of (images uint8 [batch, crop, crop,
        channels], labels dict task name -> int32 [batch]).
      evaluator: function session -> function () -> dict of metrics with "sequence_accuracy", a
        float in 0..1, or None to skip evaluations and best weights. Called once; its graph shares
        the variables.
      start: str, the path of a checkpoint whose weights a new run starts from, or None.
      records: dict file name -> text, written into the run directory beside config.json.
      callbacks: Callbacks.

    Returns:
      dict: "step" reached, "best" sequence accuracy on validation, or None, and its "best_step".

    Raises:
      ValueError: a batch fails tasks.check_labels or has other images, the source ends early, or an
        evaluation has no sequence accuracy. Before the first step, nothing is written.
      UsageError: the directory holds a run with other flags.
      DataError: the directory is not a run directory (see run_files.check_directory), a checkpoint
        cannot be read, or a file cannot be written.
      NotFiniteError: a loss, gradient or variable is infinite or NaN. That step is not saved.
      Interrupted: `callbacks.stop` returned a signal. The step was finished and saved.
      MtlError: a step does not fit into memory.
    """
    model_dir = os.fspath(model_dir)
    run_files.check_directory(model_dir)
    saved = checkpoint.newest(model_dir)
    if saved:
        _check_same_run(config, model_dir)
    first = checkpoint.step_of(saved) if saved else 0
    history = run_files.read_metrics(model_dir, up_to=first)
    unevaluated = evaluator and first in loop.due_steps(config) and not _evaluated(first, history)
    if saved and first >= config.steps and not unevaluated:
        callbacks.say(f"{model_dir}: finished at step {first}; nothing to do")
        return _result(first, history)

    session_options = session_config(config.threads, config.batch_size)
    with tf.Graph().as_default(), tf.Session(config=session_options) as session:
        graph = build(config)
        if callbacks.watch:
            callbacks.watch(session, graph)
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            measure = evaluator(session) if evaluator else None
        training = loop.Training(config, model_dir, session, graph, measure, history, callbacks)
        training.restore(saved, start)
        session.graph.finalize()

        def begin():
            training.write_records(session_options, records or {})
            if unevaluated:
                training.evaluate(first)

        training.loop(first, source, begin)
    return _result(config.steps, history)


def _check_same_run(config, model_dir):
    """Raise UsageError if the run directory holds a run with other flags."""
    changed = config_lib.differences(run_files.read_config(model_dir), config)
    if changed:
        allowed = ", --".join(config_lib.MAY_CHANGE)
        cure = "repeat those flags, or choose another --model_dir"
        what = f"holds a run with {', '.join(changed)}"
        raise UsageError(f"{model_dir}: {what}; {cure}; only --{allowed} may change")


def _evaluated(step, history):
    return any(row["step"] == step for row in history)


def _result(step, history):
    best = run_files.best(history) or {"sequence_accuracy": None, "step": None}
    return {"step": step, "best": best["sequence_accuracy"], "best_step": best["step"]}
