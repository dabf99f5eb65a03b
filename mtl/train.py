"""Training: build the graph of graph.py, restore, and start the session loop of loop.py.

The caller provides the data, the evaluation and the reporting.
"""

import functools
import os

import tensorflow.compat.v1 as tf

from mtl import checkpoint, loop, run_files
from mtl.errors import UsageError
from mtl.graph import Graph, build
from mtl.inputs import Inputs
from mtl.loop import DEFAULTS, Callbacks
from mtl.sessions import session_config
from mtl.tasks import parse, text

__all__ = ["Graph", "build", "run"]


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
    member=None,
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
      member: cluster.member.Member, the chief of several workers that train together, or None.

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
    run_of = _run_of(config, tasks, inputs)
    saved, first, history = _reached(run_of, model_dir)
    unevaluated = evaluator and first in loop.due_steps(config) and not _evaluated(first, history)
    ended = first >= config.steps or run_files.is_exhausted(history, config.patience)
    if saved and ended and not unevaluated:
        callbacks.say(f"{model_dir}: {_end(config, first)}; nothing to do")
        return _result(first, history)

    options = session_config(config.threads, config.batch_size)
    with tf.Graph().as_default(), _session(options, member) as session:
        training = _training(run_of, model_dir, session, evaluator, history, callbacks, member)
        _restore(training, saved, start, member, first)
        begin = functools.partial(training.begin, first, options, records or {}, unevaluated)
        step = training.loop(first, source, begin)
    return _result(step, history)


def _reached(run_of, model_dir):
    """Return the newest checkpoint of a directory or None, its step, and the evaluations so far."""
    run_files.check_directory(model_dir)
    saved = checkpoint.newest(model_dir)
    if saved:
        _check_same_run(run_of, model_dir)
    first = checkpoint.step_of(saved) if saved else 0
    return saved, first, run_files.read_metrics(model_dir, up_to=first)


def _session(options, member):
    return member.session(options) if member else tf.Session(config=options)


def _training(run_of, model_dir, session, evaluator, history, callbacks, member):
    """Build the graph of a run in its session; return a loop.Training."""
    replica = member.replica if member else None
    graph = build(run_of.config, tasks=run_of.tasks, inputs=run_of.inputs, replica=replica)
    if callbacks.watch:
        callbacks.watch(member.alone(session) if member else session, graph)
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        measure = evaluator(session) if evaluator else None
    others = member.others(graph) if member else None
    return loop.Training(run_of, model_dir, session, graph, measure, history, callbacks, others)


def _restore(training, saved, start, member, first):
    """Give the variables their values; then others may join the training."""
    training.restore(saved, start)
    training.session.graph.finalize()
    if member:
        member.publish(training.run, first)


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
    changed = run_files.differences(held.config, run_of.config)
    if changed:
        allowed = ", --".join(run_files.MAY_CHANGE)
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
