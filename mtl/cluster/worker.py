"""The session loop of a worker that is not the chief.

With --sync=all it computes its part of each step. With --sync=none it makes steps of its own, until
all workers together have made enough of them.
"""

import contextlib
import time

import tensorflow.compat.v1 as tf

from mtl import graph as graph_lib, loop, sessions
from mtl.cluster import asynchronous, board, settings
from mtl.cluster.lost import Ended
from mtl.data import batches
from mtl.errors import Interrupted, UsageError

POLL_SECONDS = 0.2
REMIND_SECONDS = 10.0  # between messages while the worker waits


def run(run_of, member, source, callbacks=loop.DEFAULTS):
    """Train with the chief until it ends.

    Args:
      run_of: run_files.Run, that of the chief.
      member: member.Member, which has joined.
      source: as train.run, of this worker's parts of the batches, or of its own batches.
      callbacks: loop.Callbacks; uses `say` and `stop`.

    Returns:
      int, the steps that were done when this worker ended.

    Raises:
      Lost: another process has ended before the run did.
      Interrupted: `callbacks.stop` returned a signal.
      UsageError: the chief has other settings.
    """
    config, step = run_of.config, 0
    options = sessions.session_config(config.threads, config.batch_size)
    with contextlib.suppress(Ended), tf.Graph().as_default():
        record = _joined(member, callbacks)
        step = record["step"]
        with member.session(options, record["run"]) as session:
            _check_settings(run_of, record["settings"], member)
            member.ready()
            work = _work(session, run_of, member)
            with contextlib.closing(batches.prefetch(source(step), stop=callbacks.stop)) as stream:
                while step < config.steps:
                    member.step, member.doing = step, board.PREPARING
                    _check_stop(member, callbacks)
                    inputs, labels = _next_batch(stream, run_of, member, callbacks)
                    member.doing = board.STEPPING
                    before, step = step, work(step, inputs, labels)
                    member.check()
                    if member.is_sync:  # one that was too slow may be some steps behind
                        for _ in range(step - before - 1):
                            _next_batch(stream, run_of, member, callbacks)
            member.step, member.doing = step, board.DONE
            _wait_for_end(member, callbacks)
    return step


def _joined(member, callbacks):
    """Wait for a run of the chief; return its record. Raise Ended if the run is over."""
    reminded = time.monotonic()
    while True:
        record, _ = member.look()
        if record.get("state") == board.RUNNING and record["run"] != member.run:
            return record
        member.raise_if_over(record)
        _check_stop(member, callbacks)
        if time.monotonic() - reminded >= REMIND_SECONDS:
            reminded = time.monotonic()
            callbacks.say(f"waiting for {member.chief}")
        time.sleep(POLL_SECONDS)


def _check_settings(run_of, settings_of_chief, member):
    """Raise UsageError if the chief has other settings."""
    different = settings.difference(settings_of_chief, settings.record(run_of, member.cluster))
    if different:
        cure = "start all processes with the same flags, data and versions"
        raise UsageError(f"{member.name}: the chief has {different}; {cure}")


def _work(session, run_of, member):
    """Build the graph; return the function (step, inputs, labels) -> the steps done after it."""
    graph = graph_lib.build(
        run_of.config, tasks=run_of.tasks, inputs=run_of.inputs, replica=member.replica
    )
    fetches, feeds = [graph.minimize], [graph.inputs, *graph.labels.values()]
    exchange = member.replica.exchange
    if not member.is_sync:
        fetches.append(asynchronous.steps_after(graph))
    elif exchange.step is not None:
        fetches.append(exchange.following)
        feeds.append(exchange.step)
    # It ends once the update is made, so one call a step suffices.
    step_once = session.make_callable(fetches, feeds)
    session.graph.finalize()

    def work(step, inputs, labels):
        fed = [inputs, *(labels[name] for name in graph.labels)]
        if exchange.step is not None:
            fed.append(step)
        found = step_once(*fed)[1:]
        return int(found[0]) if found else step + 1

    return work


def _next_batch(stream, run_of, member, callbacks):
    """Return the next batch; raise ValueError without a valid one."""
    batch = next(stream, None)
    if batch is None:
        _check_stop(member, callbacks)
        cure = "a source must yield batches without end"
        raise ValueError(f"the source has no batch for step {member.step + 1}; {cure}")
    run_of.check_batch(*batch)
    return batch


def _wait_for_end(member, callbacks):
    """Wait until the chief has saved and evaluated; raise Ended then, or Lost."""
    while True:
        member.check()
        _check_stop(member, callbacks)
        time.sleep(POLL_SECONDS)


def _check_stop(member, callbacks):
    """Raise Interrupted if a signal was received."""
    signum = callbacks.stop()
    if signum:
        where = f"after step {member.step}" if member.step else "before its first step"
        raise Interrupted(f"{member.name}: stopped {where}", signum)
