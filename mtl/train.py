"""The session loop: build, restore or initialise, step, log, evaluate, save, stop. Data and evaluation come from outside."""

import dataclasses
import json
import math
import os
from typing import Any, Dict, NamedTuple

import tensorflow.compat.v1 as tf

from mtl import checkpoint, config as config_lib, losses, model
from mtl.data import batches
from mtl.errors import Interrupted, MtlError, NotFiniteError, UsageError
from mtl.tasks import NUMBER_TASKS, masked

KEEP = 2  # checkpoints beside the best one
CURE = "lower --learning_rate in a new --model_dir, look at the images, or leave such steps out by --on_nonfinite=skip"


class Graph(NamedTuple):
    """The named tensors and operations of a training graph."""

    images: Any  # placeholder, uint8 [batch, crop, crop, channels]
    labels: Dict[str, Any]  # placeholders, task name -> int32 [batch]
    step: Any  # int64 variable, training steps done
    cost: Any  # float32 scalar
    cross_entropies: Dict[str, Any]  # task name -> float32 scalar, raw: neither clipped nor logged
    gradients: Dict[
        str, Any
    ]  # variable name -> float32 scalar, the sum of its gradient: not finite where one of its values is not
    watched: Any  # float32 [tasks + variables], the two before in one: to fetch thirty tensors a step would take a fiftieth of it
    minimize: Any  # the operation of one training step


def build(config, *, tasks=NUMBER_TASKS, objective=None):
    """Build the Graph of a config.Config for a sequence of Task: images -> bottom -> tops -> losses (or an `objective`) -> cost -> Adam."""
    images = tf.placeholder(
        tf.uint8, [None, config_lib.CROP, config_lib.CROP, config_lib.CHANNELS], "images"
    )
    classes = {task.name: tf.placeholder(tf.int32, [None], f"labels_{task.name}") for task in tasks}
    step = tf.get_variable(
        "global_step",
        [],
        tf.int64,
        initializer=tf.zeros_initializer(),
        trainable=False,
        use_resource=True,
    )
    settings = {
        "dropout": config.dropout,
        "seed": config.seed,
        "step": step,
        "precision": config.precision,
        "absent": config.absent,
    }
    towers = model.towers_of(config.threads, config.batch_size)
    net = model.build(
        model.to_float(images),
        tasks=tasks,
        bottom=config.bottom,
        training=True,
        towers=towers,
        **settings,
    )
    labels = {
        t.name: losses.smooth(
            classes[t.name], t.classes, config.label_smoothing, masked(t, config.absent)
        )
        for t in tasks
    }
    # Watched beside the cost, because the cost hides what it clips: an infinite cross entropy shows there as 85.2 with gradient 0.
    if config.absent == "mask":
        cross_entropies = losses.labelled_cross_entropies(
            net.logits, labels, losses.NEUTRAL[config.objective]
        )
        cost = losses.OBJECTIVES_OF_MEANS[config.objective](cross_entropies.values())
    else:
        cost = (objective or losses.OBJECTIVES[config.objective])(net.logits, labels)
        with tf.name_scope("cross_entropy"):
            cross_entropies = losses.cross_entropies(net.logits, labels)
    adam = tf.train.AdamOptimizer(
        learning_rate(config.learning_rate, config.schedule, step, config.steps)
    )
    gradients = adam.compute_gradients(cost)
    sums = {variable.op.name: tf.reduce_sum(gradient) for gradient, variable in gradients}
    watched = tf.stack([*cross_entropies.values(), *sums.values()])
    if config.on_nonfinite == "stop":
        minimize = adam.apply_gradients(gradients, global_step=step)
    else:  # not the way of a run that stops: no weight is changed before the last gradient is there, and cores wait
        apply = lambda: tf.group(adam.apply_gradients(gradients, global_step=step))  # noqa: E731
        minimize = tf.cond(
            tf.reduce_all(tf.is_finite(watched)), apply, lambda: tf.group(step.assign_add(1))
        )
    return Graph(images, classes, step, cost, cross_entropies, sums, watched, minimize)


def learning_rate(base, schedule, step, steps):
    """Return the rate (float or float32 scalar tensor) at a step (int64 variable): constant, or a line or half a cosine to 0 at `steps`."""
    if schedule == "constant":
        return base
    done = tf.minimum(tf.cast(step, tf.float32) / float(steps), 1.0)
    return (
        base * (1.0 - done) if schedule == "linear" else base * 0.5 * (1.0 + tf.cos(math.pi * done))
    )


def run(
    config,
    model_dir,
    source,
    evaluator,
    *,
    start=None,
    records=None,
    say=print,
    progress=None,
    watch=None,
    stop=lambda: 0,
):
    """Train, or go on training where the run directory was left; a finished run does nothing.

    Args:
      config: config.Config.
      model_dir: str, the run directory; made where it does not exist.
      source: function first_step -> iterator of (images uint8 [batch, crop, crop, 3], labels dict task name -> int32 [batch]).
      evaluator: function (session) -> function () -> dict of metrics with "sequence_accuracy", or None to keep no best weights. It is
        called once, where the graph it builds shares the network's variables.
      start: str, the path of a checkpoint whose weights a new run starts from, or None.
      records: dict file name -> text, written into the run directory beside config.json: how to make the run again, and with what.
      say: function str -> None, told what happens once.
      progress: function (step, cost, dict task name -> raw cross entropy, images, labels), called every config.log_every steps, or None.
      watch: function (session, Graph) that adds to the graph, before it is finalized, what `progress` looks at beside, or None.
      stop: function () -> int, the number of the signal that asks the run to stop, 0 to go on;
        called after each step, and while the next batch is not ready.

    Returns:
      dict: "step" reached, "best" sequence accuracy on validation (None without evaluation) and its "best_step".

    Raises:
      UsageError: the directory holds a run of other flags.
      DataError: the directory is not a run's (see checkpoint.check_directory), or it or a checkpoint
        cannot be read.
      NotFiniteError: a cross entropy, gradient or variable became infinite or NaN; nothing is saved of it.
      Interrupted: `stop` said so; the step was finished and saved.
    """
    checkpoint.check_directory(model_dir)
    # -- what is there already ---------------------------------------------------------------------------------------------------------
    saved = checkpoint.newest(model_dir)
    if saved:
        changed = config_lib.differences(checkpoint.read_config(model_dir), config)
        if changed:
            cure = f"repeat those flags or choose another --model_dir; what may change is --{', --'.join(config_lib.MAY_CHANGE)}"
            raise UsageError(f"{model_dir}: holds a run with {', '.join(changed)}; {cure}")
    first = checkpoint.step_of(saved) if saved else 0
    history = checkpoint.read_metrics(model_dir, up_to=first)
    due = {
        *range(config.save_every, config.steps, config.save_every),
        config.steps,
    }  # steps after which the run is saved and evaluated
    behind = (
        evaluator and first in due and first not in [row["step"] for row in history]
    )  # it ended within an evaluation
    if saved and first >= config.steps and not behind:
        say(f"{model_dir}: finished at step {first}; nothing to do")
        return _result(first, history)

    threads = model.session_config(config.threads, config.batch_size)
    with tf.Graph().as_default(), tf.Session(config=threads) as session:
        # -- build -------------------------------------------------------------------------------------------------------------------------
        graph = build(config)
        if watch:
            watch(session, graph)
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            evaluate = evaluator(session) if evaluator else None
        weights, variables = (
            {each.op.name: each for each in found}
            for found in (tf.trainable_variables(), tf.global_variables())
        )
        best_dir, saver = os.path.join(model_dir, checkpoint.BEST), tf.train.Saver(variables)
        best_saver = tf.train.Saver(weights | {"global_step": graph.step})

        # -- restore or initialise -----------------------------------------------------------------------------------------------------
        session.run(tf.variables_initializer(list(variables.values())))
        if saved:
            checkpoint.restore(session, variables, saved)
            say(f"{model_dir}: continuing from step {first}")
        elif start:
            checkpoint.restore(session, weights, start)
            say(f"{model_dir}: starting from the weights of {start}")
        totals = {
            name: tf.reduce_sum(each) for name, each in variables.items() if each.dtype.is_floating
        }
        tf.get_default_graph().finalize()
        record = {
            "tasks": NUMBER_TASKS,
            "image": {
                "window": config_lib.WINDOW,
                "crop": config_lib.CROP,
                "channels": config_lib.CHANNELS,
            },
            "threads": {
                "intra_op": threads.intra_op_parallelism_threads,
                "inter_op": threads.inter_op_parallelism_threads,
            },
            "config": dataclasses.asdict(config),
        }
        checkpoint.write_records(
            model_dir,
            {checkpoint.CONFIG: json.dumps(record, indent=2) + "\n", **(records or {})},
            history,
        )

        # -- step, log, evaluate, save ---------------------------------------------------------------------------------------------------
        step_once = session.make_callable(
            [graph.minimize, graph.cost, graph.watched], [graph.images, *graph.labels.values()]
        )
        unlabelled = {
            task.name: task.classes - 1 for task in NUMBER_TASKS if masked(task, config.absent)
        }

        def appraise(step):
            # Of a step that is saved already: a kill in here costs no step. The best weights come before the metrics that tell of them.
            row = {"step": step, **evaluate()}
            say(f"step {step}: validation sequence accuracy {row['sequence_accuracy']:.1%}")
            if row["sequence_accuracy"] > max(
                [each["sequence_accuracy"] for each in history], default=-1.0
            ):
                checkpoint.save(best_saver, session, best_dir, step)
            history.append(row)
            checkpoint.write_records(model_dir, {}, history)

        def save(step):
            """Save a step that is not saved yet."""
            broken = _not_finite("variable {}: the sum of its values", session.run(totals))
            if broken:  # an update may overflow where no gradient did
                raise NotFiniteError(f"{broken[0]} at step {step}; {CURE}")
            last = checkpoint.newest(model_dir)
            if step > (checkpoint.step_of(last) if last else 0):
                checkpoint.save(saver, session, model_dir, step, KEEP)

        if behind:
            appraise(first)
        skipped, stream = 0, batches.prefetch(source(first), stop=stop)
        try:
            for step in range(first + 1, config.steps + 1):
                try:
                    batch = next(stream, None)
                except Exception as error:  # the steps before are saved, whatever ended the data
                    stop()  # raises where the directory is not this run's any more
                    if step - 1 > first:
                        save(step - 1)
                        if isinstance(error, MtlError):
                            error.args = (f"{error}; saved at step {step - 1}",)
                    raise
                if batch is None:  # a signal ended the wait for it
                    save(step - 1)
                    where = f"and saved at step {step - 1}" if step > 1 else "before its first step"
                    raise Interrupted(
                        f"{model_dir}: stopped {where}; the same command continues", stop()
                    )
                images, labels = batch
                batches.check_images(images)
                _, cost, values = step_once(images, *[labels[name] for name in graph.labels])
                raw, sums = (
                    dict(zip(graph.cross_entropies, values)),
                    dict(zip(graph.gradients, values[len(graph.cross_entropies) :])),
                )
                # A masked task without a label in this batch has no cross entropy: it is not at the floor.
                raw = {
                    name: value
                    for name, value in raw.items()
                    if (labels[name] != unlabelled.get(name)).any()
                }
                broken = _not_finite("task {}: cross entropy", raw) + _not_finite(
                    "variable {}: the sum of its gradient", sums
                )
                if broken and config.on_nonfinite == "skip":
                    say(f"step {step}: {broken[0]}; left out, {skipped + 1} so far")
                    skipped, broken = skipped + 1, []
                if progress and step % config.log_every == 0 and not broken:
                    progress(step, cost, raw, images, labels)
                if broken:
                    raise NotFiniteError(f"{broken[0]} at step {step}; {CURE}")
                signum = stop()
                if step in due or signum:
                    save(step)
                if signum:
                    raise Interrupted(
                        f"{model_dir}: stopped and saved at step {step}; the same command continues",
                        signum,
                    )
                if evaluate and step in due:
                    appraise(step)
        finally:
            stream.close()
    return _result(config.steps, history)


def _not_finite(what, values):
    return [
        f"{what.format(name)} is {value}"
        for name, value in values.items()
        if not math.isfinite(value)
    ]


def _result(step, history):
    best = max(
        history,
        key=lambda row: row["sequence_accuracy"],
        default={"sequence_accuracy": None, "step": None},
    )
    return {"step": step, "best": best["sequence_accuracy"], "best_step": best["step"]}
