"""The evaluator of a cluster: evaluates the checkpoints that the chief saves.

It reads the run directory, so it needs no server. While it runs, it is the only process that writes
metrics.jsonl, best/ and the temperature in config.json; see --separate_evaluator.
"""

import contextlib
import os
import time

import tensorflow.compat.v1 as tf

from mtl import checkpoint, graph, loop, run_files, sessions
from mtl.cli import console, hardware, signals, training
from mtl.errors import DataError, Interrupted, UsageError

POLL_SECONDS = 1.0
REMIND_SECONDS = 10.0  # between messages while it waits


class Silent:
    """A training.Monitor that reports nothing: the chief has that of the run."""

    def evaluation(self):
        """Return a context that does nothing."""
        return contextlib.nullcontext()

    def evaluated(self, row, examples, outputs):
        """Add nothing to the row of an evaluation."""


def run(config, model_dir):
    """Evaluate each newest checkpoint until the run is finished; return the exit code.

    Args:
      config: Config.
      model_dir: str, of the run; the chief may create it later.

    Raises:
      UsageError: the run has other flags.
      Interrupted: a signal was received.
    """
    with signals.Caught() as signalled:
        signalled.arm()
        step = _wait(model_dir, None, signalled)
        held = run_files.read(model_dir)
        changed = run_files.differences(held.config, config)
        if changed:
            what = f"{model_dir}: holds a run with {', '.join(changed)}"
            raise UsageError(f"{what}; start all processes with the same flags")
        examples = training.validation(config, held.tasks, held.inputs)
        if examples is None:
            what = "there is no validation, so an evaluator has nothing to do"
            raise DataError(f"{model_dir}: {what}; start it without --separate_evaluator")
        with tf.Graph().as_default():
            _evaluate_all(held, model_dir, examples, step, config.steps, signalled)
    return 0


def _evaluate_all(held, model_dir, examples, step, last, signalled):
    """Evaluate checkpoints from that of `step` on, until that of step `last`."""
    options = sessions.session_config(held.config.threads, held.config.batch_size)
    with tf.Session(config=options) as session:
        made = graph.build(held.config, tasks=held.tasks, inputs=held.inputs)
        evaluator = training.Evaluator(held, model_dir, examples, Silent(), signalled)
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            measure = evaluator(session)
        callbacks = loop.Callbacks(say=console.say, stop=signalled)
        state = loop.Training(held, model_dir, session, made, measure, [], callbacks)
        state.options = hardware.recorded_options(model_dir)  # so config.json keeps them
        session.graph.finalize()
        while True:
            # Another process may have evaluated before, and the chief may have gone back.
            state.history[:] = run_files.read_metrics(model_dir, up_to=step)
            if all(row["step"] != step for row in state.history):
                _evaluate(state, session, model_dir, step)
            if step >= last:
                return
            step = _wait(model_dir, step, signalled)


def _evaluate(state, session, model_dir, step):
    """Restore a checkpoint and evaluate it, unless the chief has replaced it by a newer one."""
    try:
        path = os.path.join(model_dir, f"{checkpoint.PREFIX}-{step}")
        checkpoint.restore(session, state.variables, path)
    except DataError:
        newest = checkpoint.newest(model_dir)
        if newest and checkpoint.step_of(newest) > step:
            return
        raise
    state.evaluate(step)


def _wait(model_dir, step, signalled):
    """Wait for a checkpoint of another step; return its step. step: int, or None for any."""
    reminded = time.monotonic()
    while True:
        newest = checkpoint.newest(model_dir)
        found = checkpoint.step_of(newest) if newest else None
        if found not in (None, step):
            return found
        signum = signalled()
        if signum:
            raise Interrupted(f"{model_dir}: the evaluator has stopped", signum)
        if time.monotonic() - reminded >= REMIND_SECONDS:
            reminded = time.monotonic()
            console.say(f"{model_dir}: waiting for a checkpoint")
        time.sleep(POLL_SECONDS)
