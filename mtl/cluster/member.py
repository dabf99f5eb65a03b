"""A worker of a cluster: its session, its replica, and how it meets the others.

The chief trains with train.run, the others with worker.run. The chief writes on the board, see
board.py, which run the others join. Its queues have the name of the run, so a worker cannot meet
those of an earlier start of the chief. A member that ends writes why. A thread watches the others,
see watch.py, and closes the queues once the run is over or a member is lost: then nobody waits for
a part that will not come.
"""

import contextlib
import os
import re
import threading
import time

import tensorflow.compat.v1 as tf

from mtl import checkpoint, loop
from mtl.cluster import (
    asynchronous,
    board as board_lib,
    left_out,
    placement,
    sessions,
    settings,
)
from mtl.cluster.lost import CURE, Lost, raise_ended
from mtl.cluster.place import HOST, POLL_SECONDS, WATCH_SECONDS, Place
from mtl.cluster.replica import Replica

# What a session raises if a queue was closed, or if a server has ended, was replaced or hangs.
LOST = (
    tf.errors.OutOfRangeError,
    tf.errors.CancelledError,
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.DeadlineExceededError,
)
GRACE_SECONDS = 10.0  # from a lost member to the end of a process that still waits for it


class Member(Place):
    """A worker in its cluster."""

    def __init__(self, target, cluster, sync=True, say=print, abort=None, backups=0):
        """Store the settings. Contacts no server.

        Args:
          target, cluster, sync, say: see Place.
          abort: function (str), called in a thread if the session still waits for a lost member
            after GRACE_SECONDS: it ends the process. None goes on waiting.
          backups: int, see Replica.
        """
        super().__init__(target, cluster, sync, say)
        self.replica = None  # that of the graph of `session`
        self._abort = abort
        self._lost = None  # the message of the watch
        self._backups = backups
        self._left_out = None  # of a chief with backup workers

    @contextlib.contextmanager
    def session(self, options, run=None):
        """Open a session of the current graph, in `with`; yield it.

        Args:
          options: tf.ConfigProto.
          run: str, the name of the run to join, from the board; None starts a new one.

        Raises:
          Lost: another process of the cluster has ended.
          Ended: the chief has ended the run.
        """
        self.run, self._lost = run or f"mtl-{os.getpid()}-{time.time_ns()}", None
        own = tf.ConfigProto(device_filters=self._filters)
        own.MergeFrom(options)
        cluster = self.cluster
        placed = placement.placed(cluster.device, len(cluster.servers), cluster.largest)
        with placed, sessions.opened(self._target, own) as session:
            self.replica = Replica(
                cluster.number, len(cluster.workers), HOST, self.run, self.is_sync, self._backups
            )
            done = threading.Event()
            watching = threading.Thread(target=self._watch, args=(session, done), daemon=True)
            try:
                if not run:
                    self._write(board_lib.STARTING)
                watching.start()
                yield session
                if self._left_out:
                    self._left_out.end()
                self._write_end("", 0)
            except LOST as error:
                self.raise_lost(error)
            except BaseException as error:
                cause = self._loss(error)
                if cause:
                    self.raise_lost(cause)
                self._write_end(checkpoint.first_line(error), getattr(error, "exit_code", 1))
                raise
            finally:
                done.set()
                sessions.close_queues(session, self.replica.exchange.closing)

    def alone(self, session):
        """Return a session in which the examples of this member count as the whole batch."""
        return sessions.Alone(session, self.replica.exchange.together)

    def publish(self, run, step):
        """Let the others join the run of the session. The variables must have their values.

        With synchronous workers, wait for them: if one has other flags, nothing is written yet.

        Args:
          run: run_files.Run.
          step: int, the steps done.
        """
        record = settings.record(run, self.cluster)
        self._write(board_lib.RUNNING, step=step, settings=record)
        needed = len(self.cluster.workers) - 1 - self._backups if self.is_sync else 0
        while self._ready() < needed:
            self.check()
            time.sleep(POLL_SECONDS)

    def ready(self):
        """Write that this worker has joined the run, and has the settings of the chief."""
        self.doing = board_lib.PREPARING
        self.beat()

    def _ready(self):
        """Return how many other workers are ready."""
        beats = []
        with contextlib.suppress(tf.errors.OpError):
            beats = self.board.read()[1]
        ready = (board_lib.PREPARING, board_lib.STEPPING, board_lib.DONE)
        others = range(1, len(self.cluster.workers))
        return sum(beats[row].doing in ready for row in others) if beats else 0

    def others(self, graph):
        """Return the loop.Others of a chief, or None if all workers make each step together."""
        if not self.is_sync:
            return loop.Others([asynchronous.steps_after(graph)], lambda step, found: int(found[0]))
        taking = self.replica.exchange.taking
        if taking is None:
            return None
        names = [self.cluster.name_of(*each) for each in self.cluster.workers]
        self._left_out = left_out.LeftOut(names, self.say)
        return loop.Others([taking], self._left_out.after)

    def check(self):
        """Raise Lost or Ended if the watch has found that the run is over."""
        if self._lost is not None:
            self.raise_lost(None)

    def raise_lost(self, error):
        """Raise Lost or Ended; error: one of LOST, or None."""
        record = {}
        with contextlib.suppress(tf.errors.OpError):
            record, _ = self.board.read()
        if record.get("state") == board_lib.ENDED and record["run"] in (None, self.run):
            raise_ended(record, error)
        lost = self._lost or self._refusing() or self._disconnected(error)
        lost = lost or f"{self.chief} has broken off the run"
        if not self.cluster.recovery_timeout:
            self._write_end(lost, Lost.RETRY)
        raise Lost(lost) from error

    def _disconnected(self, error):
        """Return a message about the member that an error says was not reached, or None."""
        if isinstance(error, tf.errors.DeadlineExceededError):
            return f"{self.first} does not answer"
        if not isinstance(error, tf.errors.UnavailableError):
            return None
        found = re.findall(r"/job:(\w+)/replica:0/task:(\d+)", error.message)
        # A message may name this process too. Most connections are those to a server.
        named = {(job, int(task)) for job, task in found}
        others = [each for each in self._rows if each in named and each != self._rows[self._row]]
        if not others:
            return None
        return f"the connection to {self.cluster.name_of(*others[-1])} was broken"

    def _watch(self, session, done):
        """Watch the others until the Event `done`. Close the queues if the run is over."""
        watch, others = self.watch(), self.watch_others()
        while not done.wait(WATCH_SECONDS):
            record, beats = {}, None
            with contextlib.suppress(tf.errors.OpError):
                record, beats = self.board.read()
                self._lost = self.taken(beats)
                self.beat()
            found = watch.look(beats)
            for message in found.waiting:
                self.say(message)
            missed = others.look(beats).lost
            if missed:
                self.say(f"{missed}; the run goes on without it")
            ended = record.get("state") == board_lib.ENDED
            is_on = not ended and record.get("run", self.run) == self.run
            if not self._lost and not found.lost and is_on:
                continue
            self._lost = self._lost or found.lost or "the chief has started again"
            sessions.close_queues(session, self.replica.exchange.closing)
            if not done.wait(GRACE_SECONDS) and self._abort:
                self._abort(f"{self._lost}; {CURE}")
            return

    def _write(self, state, **record):
        """Write a state of the run of the chief; raise Lost if a worker has given up before."""
        before, _ = self.board.read()
        if before.get("state") == board_lib.ENDED and before["run"] in (None, self.run):
            raise_ended(before)
        self.board.write(state, run=self.run, **record)

    def _loss(self, error):
        """Return the error of a lost member behind an error, such as a save that fails halfway."""
        while error is not None and not isinstance(error, LOST):
            error = error.__cause__ or error.__context__
        is_loss = error and (self._lost or self._refusing() or self._disconnected(error))
        return error if is_loss else None
