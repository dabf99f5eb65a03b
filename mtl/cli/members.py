"""The processes of `mtl train` in a cluster: their server, their place, and what they do."""

import contextlib
import dataclasses
import os
import sys

import tensorflow.compat.v1 as tf

from mtl import checkpoint, loop, run_files, sessions
from mtl.cli import console, hardware, signals
from mtl.cluster import member as member_lib, servers, spec, worker
from mtl.cluster.lost import Lost
from mtl.cluster.place import Place
from mtl.data import batches

SYNC = "all"  # of --sync


def run(cluster, config):
    """Do what a parameter server or a worker does; return the exit code.

    Args:
      cluster: spec.Cluster, of a process that is neither the chief nor an evaluator.
      config: Config.
    """
    with signals.Caught() as signalled:
        signalled.arm()
        with _joined(cluster, config, signalled) as member:
            if cluster.job == spec.PS:
                servers.serve(member, signalled)
                print(f"{member.name}: the run has ended")
            else:
                step = _work(config, member, signalled)
                done = f"finished at step {step}" if step else "the run has ended"
                print(f"{member.name}: {done}")
    return 0


@contextlib.contextmanager
def chief(cluster, config, model_dir):
    """Join the cluster as its chief, in `with`; yield a function that trains.

    The function takes a function (Member) -> result, and returns the result. It calls it again once
    members that were lost are back, if --recovery_timeout allows it.

    Args:
      cluster: spec.Cluster.
      config: Config.
      model_dir: str.
    """
    threads = hardware.threads_of(config, model_dir, checkpoint.newest(model_dir))
    config = dataclasses.replace(config, threads=threads)
    with _joined(cluster, config, _no_signal) as member:

        def attempts(train):
            while True:
                try:
                    result = train(member)
                    break
                except Lost as error:
                    member.recover(error, _no_signal)
            member.finish()
            return result

        yield attempts


def part(member, config):
    """Return the batches.Part of a Member; None on one machine."""
    if member is None:
        return None
    if member.is_sync:
        return batches.Part(config.batch_size, *member.cluster.part(config.batch_size))
    # Each worker has whole batches of its own: N of them follow each other in the data.
    size, number, count = config.batch_size, member.cluster.number, len(member.cluster.workers)
    return batches.Part(size * count, size * number, size * (number + 1))


def source(member, config, opened):
    """Return the source of a Member, whose steps are those of all workers.

    Args:
      member: Member, or None on one machine.
      config: Config.
      opened: the source of the part of this member.
    """
    if member is None or member.is_sync:
        return opened
    return lambda first: opened(first // len(member.cluster.workers))


def _work(config, member, signalled):
    """Train as a worker; return the last step."""
    opened = console.opened(config, None, part(member, config))
    run_of = run_files.Run(config, opened.tasks, opened.inputs)
    callbacks = loop.Callbacks(say=console.say, stop=signalled)
    batches_of = source(member, config, opened.source)
    while True:
        try:
            return worker.run(run_of, member, batches_of, callbacks)
        except Lost as error:
            member.recover(error, signalled)


@contextlib.contextmanager
def _joined(cluster, config, stop):
    """Start the server of this process and join the cluster, in `with`; yield the Member.

    If the block fails before its session is open, the others learn why.
    """
    console.ending_at_once = True
    options = tf.ConfigProto()
    if cluster.number is not None:
        options = sessions.session_config(config.threads, config.batch_size)
    target = servers.start(cluster, options, stop).target
    is_sync = config.sync == SYNC
    if cluster.job == spec.PS:
        member = Place(target, cluster, is_sync, console.say)
    else:
        backups = config.backup_workers
        member = member_lib.Member(target, cluster, is_sync, console.say, _abort, backups)
    try:
        if cluster.job != spec.PS:
            member.join(stop)
        yield member
    except BaseException as error:
        member.give_up(error)
        raise
    finally:
        if member.board:
            member.leave()


def _no_signal():
    return 0


def _abort(message):
    """End the process while its main thread waits for a member that is lost."""
    with contextlib.suppress(OSError):
        print(console.printable(f"mtl train: {message}"), file=sys.stderr, flush=True)
    os._exit(Lost.RETRY)
