"""A worker of a cluster: its session, its replica, and how it meets the others.

The chief trains with train.run, the others with worker.run. The chief writes on the board, see
board.py, which run the others join. Its queues have the name of the run, so a worker cannot meet
those of an earlier start of the chief. A member that ends writes why. A thread watches the others,
see watch.py, and closes the queues once the run is over or a member is lost: then nobody waits for
a part that will not come.
"""

import contextlib
import os
import random
import threading
import time

import tensorflow.compat.v1 as tf

from mtl import checkpoint
from mtl.cluster import (
    asynchronous,
    board as board_lib,
    placement,
    sessions,
    settings,
    watch as watch_lib,
)
from mtl.cluster.board import Beat
from mtl.cluster.replica import Replica
from mtl.errors import MtlError, UsageError

HOST = f"/job:{placement.PS}/task:0"  # of the board and of the queues of single numbers
# What a session raises if a queue was closed, or if a server has ended or was replaced.
LOST = (
    tf.errors.OutOfRangeError,
    tf.errors.CancelledError,
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
)
WATCH_SECONDS = 1.0  # between looks at the board
GRACE_SECONDS = 10.0  # from a lost member to the end of a process that still waits for it
FINAL = (1, 2, 3)  # exit codes of a member that would end again in the same way
CURE = "look at its output, and start the cluster again"


class Lost(MtlError):
    """Another process of the cluster has ended. The exit code is its own if repeating is useless.

    Otherwise it is 138: Kubeflow starts a process again that ends with it (any code from 128 on
    that is no fault of the program would do; 130 and 143 mean signals).
    """

    RETRY = 138

    def __init__(self, what, cure=CURE, code=RETRY):
        super().__init__(f"{what}; {cure}" if cure else what)
        self.what = what
        self.exit_code = code if code in FINAL else self.RETRY


class Ended(Exception):
    """The chief has ended the run as it should."""


class Member:
    """A process in its cluster: a worker, or a parameter server."""

    def __init__(self, target, cluster, sync=True, say=print, abort=None):
        """Store the settings. Contacts no server.

        Args:
          target: str, of the tf.train.Server of this process.
          cluster: spec.Cluster.
          sync: bool, see Replica.
          say: function (str), for messages about members that are waited for.
          abort: function (str), called in a thread if the session still waits for a lost member
            after GRACE_SECONDS: it ends the process. None goes on waiting.
        """
        self.cluster = cluster
        self.name = cluster.name_of(cluster.job, cluster.index)
        self.replica = None  # that of the graph of `session`
        self.step, self.doing = 0, board_lib.IDLE  # for the beats
        self.board = None
        self._target, self._sync, self._say, self._abort = target, sync, say, abort
        self._filters = placement.filters(cluster.device)
        self._rows = [*cluster.workers, *cluster.servers]
        self._row = self._rows.index((cluster.job, cluster.index))
        self._process = random.SystemRandom().getrandbits(62) + 1
        self._count = 0
        self._run = None
        self._lost = None  # the message of the watch
        self._gone = set()  # numbers of processes that were lost

    # -- joining -----------------------------------------------------------------------------------

    def join(self, stop, seconds=float("inf")):
        """Wait for the parameter servers, and take the row of this member on the board.

        Args:
          stop: function () -> int, nonzero to give up.
          seconds: float, when to give up.

        Raises:
          Lost: a server does not listen.
          UsageError: another process is this member already.
        """
        servers = self._peers(self.cluster.servers)
        missing = watch_lib.wait_for_servers(servers, self._say, stop, seconds)
        if missing and not stop():
            raise Lost(f"{missing[0]} does not listen")
        if missing:
            return
        self.open_board()
        while not stop():
            # A server that is busy, or that was just started, is asked again.
            with contextlib.suppress(tf.errors.OpError):
                if self.board.is_created():
                    self._take_place()
                    return
            time.sleep(0.1)

    def _take_place(self):
        """Write the first beat; raise UsageError if another process beats in this row."""
        before = self.board.read()[1][self._row]
        if before.process not in (0, self._process):
            time.sleep(2.5 * WATCH_SECONDS)
            if self.board.read()[1][self._row].count != before.count:
                cure = "give each process its own job or index, or end the other one"
                raise UsageError(f"{self.name}: another process has this place already; {cure}")
        self.beat()

    def open_board(self):
        """Open the board, in a new session: that of a server that was replaced is useless."""
        if self.board:
            self.board.close()
        self.board = board_lib.Board(self._target, HOST, self._filters, len(self._rows))

    def look(self):
        """Write a beat, and return the record of the board; {} if it cannot be read.

        Raises:
          Lost: a member that this one needs has ended.
        """
        with contextlib.suppress(tf.errors.OpError):
            self.beat()
            return self.board.read()[0]
        lost = self._refusing()
        if lost:
            raise Lost(lost)
        return {}

    def leave(self):
        """Write that this process will not look at the board again, and close it."""
        self.doing = board_lib.LEFT
        with contextlib.suppress(tf.errors.OpError):
            self.beat()
        self.board.close()
        self.board = None

    def beat(self):
        """Write that this process is alive, and what it does."""
        self._count += 1
        self.board.beat(self._row, Beat(self._process, self._count, self.step, self.doing))

    def others_read(self):
        """Return whether another member may still read the board: it beats, and has not left.

        Takes as long as a member that lives takes to write a beat.
        """
        first = self.board.read()[1]
        time.sleep(1.5 * WATCH_SECONDS)
        for row, (before, now) in enumerate(zip(first, self.board.read()[1])):
            beats = now.count != before.count and now.doing != board_lib.LEFT
            if beats and row != self._row:
                return True
        return False

    def finish(self):
        """Let the others end, also if the run was finished before this process started."""
        with contextlib.suppress(tf.errors.OpError):
            if self.board.read()[0].get("state") != board_lib.ENDED:
                self._end("", 0)

    def give_up(self, error):
        """Write why this member ends before it has a session, so that the others end too."""
        if self.board is None or isinstance(error, Lost):
            return
        record = {}
        with contextlib.suppress(tf.errors.OpError):
            record, _ = self.board.read()
        if record.get("state") != board_lib.ENDED:
            self._run = record.get("run")
            self._write_end(checkpoint.first_line(error), getattr(error, "exit_code", 1))

    def watch(self):
        """Return a watch.Watch of the members without which this one cannot go on."""
        peers = self._peers(self._watched())
        return watch_lib.Watch(peers, self.cluster.recovery_timeout, self._gone)

    @property
    def is_sync(self):
        """Whether all workers make each step together."""
        return self._sync

    @property
    def chief(self):
        """The name of the chief, for messages."""
        return self.cluster.name_of(*self.cluster.workers[0])

    @property
    def run(self):
        """The name of the run that was joined last, or None."""
        return self._run

    def recover(self, error, stop):
        """Wait for the members that are lost, if this is wanted; else raise `error`, a Lost."""
        seconds = self.cluster.recovery_timeout
        if not seconds or error.exit_code in FINAL:
            raise error
        self._say(f"{error.what}; waiting up to {seconds:g} s for it (--recovery_timeout)")
        peers = self._peers(self._watched())
        if watch_lib.wait_for_servers(peers, self._say, stop, seconds) and not stop():
            raise error
        self.step, self.doing = 0, board_lib.IDLE
        self.join(stop, seconds)

    # -- the session -------------------------------------------------------------------------------

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
        self._run, self._lost = run or f"mtl-{os.getpid()}-{time.time_ns()}", None
        own = tf.ConfigProto(device_filters=self._filters)
        own.MergeFrom(options)
        device = placement.setter(self.cluster.device, len(self.cluster.servers))
        with tf.device(device), sessions.opened(self._target, own) as session:
            count = len(self.cluster.workers)
            self.replica = Replica(self.cluster.number, count, HOST, self._run, self._sync)
            done = threading.Event()
            watching = threading.Thread(target=self._watch, args=(session, done), daemon=True)
            try:
                if not run:
                    self._begin()
                watching.start()
                yield session
                self._write_end("", 0)
            except LOST as error:
                self.raise_lost(error)
            except BaseException as error:
                if self._is_loss(error):
                    self.raise_lost(error)
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

        Args:
          run: run_files.Run.
          step: int, the steps done.
        """
        record = {"run": self._run, "step": step, "settings": settings.record(run, self.cluster)}
        self.board.write(board_lib.RUNNING, **record)

    def counted(self, session, graph):
        """Return the function () -> steps done of loop.Training, or None; see asynchronous.py."""
        return None if self._sync else asynchronous.counter(session, graph)

    def check(self):
        """Raise Lost or Ended if the watch has found that the run is over."""
        if self._lost is not None:
            self.raise_lost(None)

    def raise_lost(self, error):
        """Raise Lost or Ended; error: one of LOST, or None."""
        record = {}
        with contextlib.suppress(tf.errors.OpError):
            record, _ = self.board.read()
        if record.get("state") == board_lib.ENDED and record["run"] == self._run:
            raise_ended(record, error)
        lost = self._lost or self._refusing() or f"{self.chief} has broken off the run"
        if not self.cluster.recovery_timeout:
            self._write_end(lost, Lost.RETRY)
        raise Lost(lost) from error

    # -- the watch ---------------------------------------------------------------------------------

    def _watched(self):
        """Return (job, index) of the members without which this one cannot go on."""
        workers = self.cluster.workers
        needed = workers if self._sync and self.cluster.is_chief else workers[:1]
        return [each for each in [*needed, *self.cluster.servers] if each != self._rows[self._row]]

    def _peers(self, members):
        """Return the argument of watch.Watch; members: list of (job, index)."""
        peers = {}
        for job, index in members:
            row = self._rows.index((job, index))
            peers[row] = self.cluster.name_of(job, index), self.cluster.address_of(job, index)
        return peers

    def _watch(self, session, done):
        """Watch the others until the Event `done`. Close the queues if the run is over."""
        watch = self.watch()
        while not done.wait(WATCH_SECONDS):
            record, beats = {}, None
            with contextlib.suppress(tf.errors.OpError):
                self.beat()
                record, beats = self.board.read()
            found = watch.look(beats)
            for message in found.waiting:
                self._say(message)
            ended = record.get("state") == board_lib.ENDED
            if not found.lost and not ended and record.get("run", self._run) == self._run:
                continue
            self._lost = found.lost or "the chief has started again"
            sessions.close_queues(session, self.replica.exchange.closing)
            if not done.wait(GRACE_SECONDS) and self._abort:
                self._abort(f"{self._lost}; {CURE}")
            return

    def _refusing(self):
        """Return a message about a member that refuses connections, or None."""
        for name, address in self._peers(self._watched()).values():
            if watch_lib.listens(address) is False:
                return f"{name} has ended"
        return None

    def _begin(self):
        """Write that a run starts; raise Lost if a worker has given up before."""
        record, _ = self.board.read()
        if record.get("state") == board_lib.ENDED and record["run"] is None:
            raise_ended(record)
        self.board.write(board_lib.STARTING, run=self._run)

    def _is_loss(self, error):
        """Return whether an error comes from a lost member, such as a save that fails halfway."""
        while error is not None and not isinstance(error, LOST):
            error = error.__cause__ or error.__context__
        return error is not None and bool(self._lost or self._refusing())

    def _write_end(self, why, code):
        """Write that this member ends; why: str, "" if it has done its part; code: exit code."""
        if not why and not self.cluster.is_chief:
            return
        with contextlib.suppress(tf.errors.OpError):
            record, _ = self.board.read()
            if record.get("state") != board_lib.ENDED and record.get("run") == self._run:
                self._end(why, code)

    def _end(self, why, code):
        self.board.write(board_lib.ENDED, run=self._run, by=self.name, why=why, code=code)


def raise_ended(record, error=None):
    """Raise Ended, or Lost with the reason; record: of the board, of a run that has ended."""
    if not record["why"]:
        raise Ended from error
    what = f"{record['by']} has ended the run: {record['why']}"
    raise Lost(what, cure="", code=record["code"]) from error
