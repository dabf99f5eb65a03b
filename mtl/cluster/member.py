"""A worker of a cluster: its session, its replica, and how it meets the others.

The chief trains with train.run, the others with worker.run. The chief writes on the board, see
board.py, which run the others join. Its queues have the name of the run, so a worker cannot meet
those of an earlier start of the chief. A member that ends writes why, and closes the queues: then
no other waits for it.
"""

import contextlib
import os
import threading
import time

import tensorflow.compat.v1 as tf

from mtl import checkpoint
from mtl.cluster import board as board_lib, placement, settings
from mtl.cluster.replica import Replica
from mtl.errors import MtlError

HOST = f"/job:{placement.PS}/task:0"  # of the board and of the queues of single numbers
# What a session raises if a queue was closed, or if a server has ended or was replaced.
LOST = (
    tf.errors.OutOfRangeError,
    tf.errors.CancelledError,
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
)
CLOSE_MS = 5000  # a server that does not answer must not delay the end
WATCH_SECONDS = 1.0  # between looks at the board


class Lost(MtlError):
    """Another process of the cluster has ended."""


class Ended(Exception):
    """The chief has ended the run as it should."""


class Member:
    """A worker in its cluster."""

    def __init__(self, target, cluster, sync=True):
        """Store the settings. Contacts no server.

        Args:
          target: str, of the tf.train.Server of this process.
          cluster: spec.Cluster.
          sync: bool, see Replica.
        """
        self.cluster = cluster
        self.name = cluster.name_of(cluster.job, cluster.index)
        self.replica = None  # that of the graph of `session`
        self._target, self._sync = target, sync
        self._filters = placement.filters(cluster.device)
        self._run = None
        self.board = board_lib.Board(target, HOST, self._filters)

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
        self._run = run or f"mtl-{os.getpid()}-{time.time_ns()}"
        own = tf.ConfigProto(device_filters=self._filters)
        own.MergeFrom(options)
        servers = len(self.cluster.jobs[placement.PS])
        device = placement.setter(self.cluster.device, servers)
        with tf.device(device), _opened(self._target, own) as session:
            count = len(self.cluster.workers)
            self.replica = Replica(self.cluster.number, count, HOST, self._run, self._sync)
            done = threading.Event()
            watching = threading.Thread(target=self._watch, args=(session, done), daemon=True)
            try:
                if not run:
                    self.board.write(board_lib.STARTING)
                watching.start()
                yield session
                self._write_end("")
            except LOST as error:
                self._raise_lost(error)
            except BaseException as error:
                self._write_end(checkpoint.first_line(error))
                raise
            finally:
                done.set()
                _close(session, self.replica.exchange.closing)

    def alone(self, session):
        """Return a session in which the examples of this member count as the whole batch."""
        return _Alone(session, self.replica.exchange.together)

    def publish(self, run, step):
        """Let the others join the run of the session. The variables must have their values.

        Args:
          run: run_files.Run.
          step: int, the steps done.
        """
        record = {"run": self._run, "step": step, "settings": settings.record(run, self.cluster)}
        self.board.write(board_lib.RUNNING, **record)

    def _watch(self, session, done):
        """Close the queues once the board says that the run is over; `done` is an Event.

        A member that was killed, or that failed before it had its queues, cannot close them.
        """
        while not done.wait(WATCH_SECONDS):
            with contextlib.suppress(tf.errors.OpError):
                record = self.board.read()
                over = record["state"] == board_lib.ENDED or record.get("run") != self._run
                if over and not (self.cluster.is_chief and record["state"] == board_lib.STARTING):
                    _close(session, self.replica.exchange.closing)
                    return

    def _write_end(self, why):
        """Write that this member ends; why: str, "" if it has done its part."""
        if not why and not self.cluster.is_chief:
            return
        with contextlib.suppress(tf.errors.OpError):
            record = self.board.read()
            if record.get("state") != board_lib.ENDED:
                self.board.write(board_lib.ENDED, run=self._run, by=self.name, why=why)

    def _raise_lost(self, error):
        """Raise Lost or Ended for an error of LOST."""
        record = {}
        with contextlib.suppress(tf.errors.OpError):
            record = self.board.read()
        if record.get("state") == board_lib.ENDED:
            if not record["why"]:
                raise Ended from error
            raise Lost(f"{record['by']} has ended the run: {record['why']}") from error
        what = f"a process of the cluster is lost ({type(error).__name__})"
        cure = "look at the other processes, and start the cluster again"
        raise Lost(f"{self.name}: {what}; {cure}") from error


class _Alone:
    """A tf.Session that does not wait for other workers; see Exchange.together."""

    def __init__(self, session, together):
        self._session, self._together = session, together
        self.graph = session.graph

    def run(self, fetches, feed_dict=None):
        """Run as tf.Session.run."""
        return self._session.run(fetches, {**(feed_dict or {}), self._together: False})

    def make_callable(self, fetches, feed_list):
        """Return a function of the fed values, as tf.Session.make_callable."""
        function = self._session.make_callable(fetches, [*feed_list, self._together])
        return lambda *values: function(*values, False)


@contextlib.contextmanager
def _opened(target, options):
    """Open a session of the current graph, in `with`; yield it.

    The `with` of tf.Session itself takes 30 s to close if a server is gone.
    """
    session = tf.Session(target, config=options)
    try:
        yield session
    finally:
        closing = threading.Thread(target=session.close, daemon=True)
        closing.start()
        closing.join(CLOSE_MS / 1000.0)


def _close(session, closing):
    """Close the queues, so that no other member waits for this one."""
    if closing:
        with contextlib.suppress(tf.errors.OpError):  # the server is gone, and the queues with it
            session.run(closing, options=tf.RunOptions(timeout_in_ms=CLOSE_MS))
