"""Start the server of a process, and do what a parameter server does: wait for the end."""

import contextlib
import os
import socket
import time

import tensorflow.compat.v1 as tf

from mtl.cluster import spec
from mtl.cluster.lost import Ended, Lost
from mtl.errors import Interrupted, UsageError

SECONDS = 0.5  # between looks at the board
LEAVING = 10.0  # the longest time in which the others may learn that the run has ended


def start(cluster, options, stop):
    """Start the server of this process; return its tf.train.Server.

    TensorFlow's server listens on all network interfaces, whatever host its address names.

    Args:
      cluster: spec.Cluster.
      options: tf.ConfigProto.
      stop: function () -> int, nonzero to give up waiting for a name server.

    Raises:
      UsageError: a host has no address, or the port is taken.
    """
    for job, addresses in cluster.jobs.items():
        for index in range(len(addresses)):
            _check_host(cluster, job, index, stop)
    name = cluster.name_of(cluster.job, cluster.index)
    port = int(cluster.address.rpartition(":")[2])
    try:
        # TensorFlow's own message does not say which port is taken.
        socket.create_server(("", port)).close()
        return tf.train.Server(
            tf.train.ClusterSpec(cluster.spec), cluster.job, cluster.index, config=options
        )
    except (OSError, tf.errors.OpError) as error:
        errno = getattr(error, "errno", None)
        reason = os.strerror(errno) if errno else error.message
        cure = "end the process that uses the port, or choose another one"
        raise UsageError(f"{name}: cannot listen at port {port} ({reason}); {cure}") from None


def _check_host(cluster, job, index, stop):
    """Wait until the host of a member has an address; raise UsageError if it has none."""
    host = cluster.address_of(job, index).rpartition(":")[0].strip("[]")
    until = time.monotonic() + cluster.recovery_timeout
    while True:
        try:
            socket.getaddrinfo(host, None)
            return
        except OSError as error:
            if time.monotonic() >= until or stop():
                what = f"{cluster.name_of(job, index)}: the host has no address ({error.strerror})"
                raise UsageError(f"{what}; correct it in {spec.FLAGS[job]}") from None
        time.sleep(SECONDS)


def serve(member, stop):
    """Hold variables until the run ends.

    Args:
      member: member.Member of a parameter server.
      stop: function () -> int, the number of a received signal, or 0.

    Raises:
      Lost: the run ended with an error, or the chief or the first server is lost.
      Interrupted: `stop` returned a signal.
    """
    if member.cluster.index == 0:
        member.open_board()
        member.board.create(member.cluster.spec)
    else:
        member.join(stop)
    watch = member.watch()
    try:
        while not stop():
            try:
                if _is_over(member, watch):
                    return
            except Lost as error:
                member.recover(error, stop)
                watch = member.watch()
            time.sleep(SECONDS)
    finally:
        _wait_for_others(member, stop)
    raise Interrupted(f"{member.name}: stopped", stop())


def _wait_for_others(member, stop):
    """Keep the board until the others have read why the run has ended."""
    if member.board is None:
        return
    until = time.monotonic() + LEAVING
    with contextlib.suppress(tf.errors.OpError):
        while member.others_read() and not stop() and time.monotonic() < until:
            time.sleep(SECONDS)


def _is_over(member, watch):
    """Return whether the run has ended as it should; raise Lost if it cannot go on."""
    record, beats = member.look()
    try:
        member.raise_if_over(record)
    except Ended:
        return True
    found = watch.look(beats)
    for message in found.waiting:
        member.say(message)
    if found.lost:
        raise Lost(found.lost)
    return False
