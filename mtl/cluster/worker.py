"""The session loop of a worker that is not the chief: it computes its part of each step."""

import contextlib
import time

import tensorflow.compat.v1 as tf

from mtl import graph as graph_lib, loop, sessions
from mtl.cluster import board, settings
from mtl.cluster.member import Ended
from mtl.data import batches
from mtl.errors import Interrupted, UsageError

POLL_SECONDS = 0.2
REMIND_SECONDS = 10.0  # between messages while the worker waits


def run(run_of, member, source, callbacks=loop.DEFAULTS):
    """Train with the chief until it ends.

    Args:
      run_of: run_files.Run, that of the chief.
      member: member.Member.
      source: as train.run, of this worker's parts of the batches.
      callbacks: loop.Callbacks; uses `say` and `stop`.

    Returns:
      int, the last step in which this worker took part.

    Raises:
      Lost: another process has ended before the run did.
      Interrupted: `callbacks.stop` returned a signal.
      UsageError: the chief has other settings.
    """
    record = _joined(member, callbacks)
    config, step = run_of.config, record["step"]
    options = sessions.session_config(config.threads, config.batch_size)
    with contextlib.suppress(Ended), tf.Graph().as_default():
        with member.session(options, record["run"]) as session:
            _check_settings(run_of, record["settings"], member)
            work = _work(session, run_of, member)
            with contextlib.closing(batches.prefetch(source(step), stop=callbacks.stop)) as stream:
                while step < config.steps:
                    _check_stop(member, callbacks, step)
                    inputs, labels = _next_batch(stream, run_of, member, callbacks, step)
                    work(inputs, labels)
                    step += 1
    return step


def _check_settings(run_of, settings_of_chief, member):
    """Raise UsageError if the chief has other settings."""
    different = settings.difference(settings_of_chief, settings.record(run_of, member.cluster))
    if different:
        cure = "start all processes with the same flags, data and versions"
        raise UsageError(f"{member.name}: the chief has {different}; {cure}")


def _work(session, run_of, member):
    """Build the graph; return the function (inputs, labels) of one step."""
    graph = graph_lib.build(
        run_of.config, tasks=run_of.tasks, inputs=run_of.inputs, replica=member.replica
    )
    # It ends once the chief has made the update, so one call a step suffices.
    step_once = session.make_callable([graph.minimize], [graph.inputs, *graph.labels.values()])
    session.graph.finalize()
    return lambda inputs, labels: step_once(inputs, *(labels[name] for name in graph.labels))


def _joined(member, callbacks):
    """Wait for the chief; return the record of its run."""
    reminded = time.monotonic()
    while True:
        record = {}
        # A server that is not there yet, or busy, is asked again.
        with contextlib.suppress(tf.errors.UnavailableError, tf.errors.DeadlineExceededError):
            record = member.board.read()
        if record.get("state") == board.RUNNING:
            return record
        _check_stop(member, callbacks, None)
        if time.monotonic() - reminded >= REMIND_SECONDS:
            reminded = time.monotonic()
            callbacks.say(f"{member.name}: waiting for the chief")
        time.sleep(POLL_SECONDS)


def _next_batch(stream, run_of, member, callbacks, step):
    """Return the batch after a step; raise ValueError without a valid one."""
    batch = next(stream, None)
    if batch is None:
        _check_stop(member, callbacks, step)
        cure = "a source must yield batches without end"
        raise ValueError(f"the source has no batch for step {step + 1}; {cure}")
    loop.check_batch(run_of, *batch)
    return batch


def _check_stop(member, callbacks, step):
    """Raise Interrupted if a signal was received; step: int, or None before the first."""
    signum = callbacks.stop()
    if signum:
        where = "before its first step" if step is None else f"after step {step}"
        raise Interrupted(f"{member.name}: stopped {where}", signum)
