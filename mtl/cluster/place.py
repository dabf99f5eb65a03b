"""The place of a process in its cluster: its row on the board, and what it writes there."""

import contextlib
import random
import time

import tensorflow.compat.v1 as tf

from mtl import checkpoint
from mtl.cluster import board as board_lib, placement, spec, watch as watch_lib
from mtl.cluster.lost import FINAL, Lost, raise_ended
from mtl.errors import Interrupted, UsageError

HOST = f"/job:{placement.PS}/task:0"  # of the board and of the queues of single numbers
WATCH_SECONDS = 1.0  # between looks at the board
POLL_SECONDS = 0.1  # while this process waits for the board
REACH_SECONDS = 8.0  # until the first server reaches this process


class Place:
    """What all processes with a server do: join, beat, look, and write why they end."""

    def __init__(self, target, cluster, sync, say):
        """Store the settings. Contacts no server.

        Args:
          target: str, of the tf.train.Server of this process.
          cluster: spec.Cluster.
          sync: bool, whether all workers make each step together.
          say: function (str), for messages about members that are waited for.
        """
        self.cluster = cluster
        self.name = cluster.name_of(cluster.job, cluster.index)
        self.is_sync = sync
        self.step, self.doing = 0, board_lib.IDLE  # for the beats
        self.board = None
        self.run = None  # the name of the run that was joined last
        self.say = say
        self._target = target
        self._filters = placement.filters(cluster.device)
        self._rows = [*cluster.workers, *cluster.servers]
        self._row = self._rows.index((cluster.job, cluster.index))
        self._process = random.SystemRandom().getrandbits(62) + 1
        self._count = 0
        self._has_place = False
        self._gone = set()  # numbers of processes that were lost

    def join(self, stop, seconds=float("inf")):
        """Wait for the parameter servers, and take the row of this member on the board.

        Args:
          stop: function () -> int, the number of a received signal, or 0.
          seconds: float, when to give up.

        Raises:
          Lost: a server does not listen or answer.
          Interrupted: `stop` returned a signal.
          UsageError: another process is this member already.
        """
        servers = self._peers(self.cluster.servers)
        missing = watch_lib.wait_for_servers(servers, self.say, stop, seconds)
        self._check_stop(stop)
        if missing:
            raise Lost(f"{missing[0]} does not listen")
        self.open_board()
        self._check_hosts(self._hosts(stop, seconds))
        try:
            self._take_place()
        except tf.errors.OpError as error:
            raise Lost(f"{self.first} does not answer") from error

    def _check_stop(self, stop):
        signum = stop()
        if signum:
            raise Interrupted(f"{self.name}: stopped", signum)

    def _hosts(self, stop, seconds):
        """Wait for the board; return its hosts. Arguments and errors as those of `join`."""
        began = told_at = time.monotonic()
        while True:
            # A server that is busy, or that was just started, is asked again.
            with contextlib.suppress(tf.errors.OpError):
                return self.board.hosts()
            self._check_stop(stop)
            now = time.monotonic()
            if now - began >= seconds:
                raise Lost(f"{self.first} does not answer")
            if now - told_at >= watch_lib.WAIT:
                told_at = now
                self.say(f"waiting for {self.first}, which does not answer")
                self.open_board()  # a call that never returns blocks the session
            time.sleep(POLL_SECONDS)

    def _check_hosts(self, theirs):
        """Raise UsageError if the first server knows another cluster than this process."""
        ours = self.cluster.spec
        for job in spec.SERVING:
            if theirs.get(job) != ours.get(job):
                lists = [",".join(each.get(job, ())) or "nothing" for each in (theirs, ours)]
                what = f"{self.first} has {spec.FLAGS[job]}={lists[0]}, not {lists[1]}"
                raise UsageError(f"{self.name}: {what}; give all processes the same addresses")

    def _take_place(self):
        """Write the first beat; raise UsageError if another process beats in this row."""
        before = self.board.read()[1][self._row]
        if before.process not in (0, self._process) and before.doing != board_lib.LEFT:
            time.sleep(2.5 * WATCH_SECONDS)
            if self.board.read()[1][self._row].count != before.count:
                raise UsageError(self._taken())
        self._first_beat()
        self._has_place = True

    def _first_beat(self):
        """Write the first beat; raise UsageError if this process is not at its address.

        The first server receives a beat from the address that it knows. There may be nothing, or
        another process. For some seconds it may also remember that there was nothing.
        """
        until = time.monotonic() + REACH_SECONDS
        while True:
            try:
                self.beat()
                return
            except tf.errors.OpError:
                lost = self._refusing()
                if lost:
                    raise Lost(lost) from None
                if time.monotonic() >= until:
                    cure = f"start it there, or correct {spec.FLAGS[self.cluster.job]}"
                    what = f"{self.first} does not reach this process at its address"
                    raise UsageError(f"{self.name}: {what}; {cure}") from None
            time.sleep(POLL_SECONDS)
            self.open_board()

    def taken(self, beats):
        """Return a message if another process beats in the row of this one, else None."""
        return None if beats[self._row].process in (0, self._process) else self._taken()

    def _taken(self):
        cure = "give each process its own job or index, or end the other one"
        return f"{self.name}: another process has this place already; {cure}"

    def open_board(self):
        """Open the board, in a new session: that of a server that was replaced is useless."""
        if self.board:
            self.board.close()
        self.board = board_lib.Board(self._target, HOST, self._filters, len(self._rows))

    def look(self):
        """Read the board, and write a beat.

        Returns:
          the record and the list of board.Beat; {} and None if they cannot be read.

        Raises:
          Lost: a member that this one needs has ended.
          UsageError: another process has taken this place.
        """
        with contextlib.suppress(tf.errors.OpError):
            record, beats = self.board.read()
            taken = self.taken(beats)
            if taken:
                raise UsageError(taken)
            self.beat()
            return record, beats
        lost = self._refusing()
        if lost:
            raise Lost(lost)
        return {}, None

    def raise_if_over(self, record):
        """Raise Ended or Lost if the run has ended, and the chief will not start it again."""
        if record.get("state") != board_lib.ENDED:
            return
        try:
            raise_ended(record)
        except Lost as error:
            if error.exit_code in FINAL or not self.cluster.recovery_timeout:
                raise

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
        beat = board_lib.Beat(self._process, self._count, self.step, self.doing)
        self.board.beat(self._row, beat)

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

    def recover(self, error, stop):
        """Wait for the members that are lost, if this is wanted; else raise `error`, a Lost."""
        seconds = self.cluster.recovery_timeout
        if not seconds or error.exit_code in FINAL:
            raise error
        self.say(f"{error.what}; waiting up to {seconds:g} s for it (--recovery_timeout)")
        peers = self._peers(self._watched())
        missing = watch_lib.wait_for_servers(peers, self.say, stop, seconds)
        self._check_stop(stop)
        if missing:
            raise error
        self.step, self.doing = 0, board_lib.IDLE
        self.join(stop, seconds)

    def finish(self):
        """Let the others end, also if the run was finished before this process started."""
        with contextlib.suppress(tf.errors.OpError):
            if self.board.read()[0].get("state") != board_lib.ENDED:
                self._end("", 0)

    def give_up(self, error):
        """Write why this member ends before it has a session, so that the others end too."""
        if self.board is None or isinstance(error, Lost):
            return
        with contextlib.suppress(tf.errors.OpError):
            record, _ = self.board.read()
            # A process of another cluster must not end a run by its wrong flags.
            is_stranger = not self._has_place and record.get("state") == board_lib.RUNNING
            if record.get("state") != board_lib.ENDED and not is_stranger:
                self.run = record.get("run")  # None: the chief has not started one yet
                self._end(checkpoint.first_line(error), getattr(error, "exit_code", 1))

    def watch(self):
        """Return a watch.Watch of the members without which this one cannot go on."""
        return self._watch_of(self._watched())

    def watch_others(self):
        """Return a watch.Watch of the other workers, for a chief that can go on without them."""
        others = [] if self.is_sync or not self.cluster.is_chief else self.cluster.workers[1:]
        return self._watch_of(others)

    def _watch_of(self, members):
        host = self._rows.index(self.cluster.servers[0])
        peers = self._peers(members)
        return watch_lib.Watch(peers, self.cluster.recovery_timeout, self._gone, host)

    @property
    def first(self):
        """The name of the first server, which has the board, for messages."""
        return self.cluster.name_of(*self.cluster.servers[0])

    @property
    def chief(self):
        """The name of the chief, for messages."""
        return self.cluster.name_of(*self.cluster.workers[0])

    def _watched(self):
        """Return (job, index) of the members without which this one cannot go on."""
        workers = self.cluster.workers
        needed = workers if self.is_sync and self.cluster.is_chief else workers[:1]
        return [each for each in [*needed, *self.cluster.servers] if each != self._rows[self._row]]

    def _peers(self, members):
        """Return the argument of watch.Watch; members: list of (job, index)."""
        peers = {}
        for job, index in members:
            row = self._rows.index((job, index))
            peers[row] = self.cluster.name_of(job, index), self.cluster.address_of(job, index)
        return peers

    def _refusing(self):
        """Return a message about a member that refuses connections, or None."""
        for name, address in self._peers(self._watched()).values():
            if watch_lib.listens(address) is False:
                return f"{name} has ended"
        return None

    def _write_end(self, why, code):
        """Write that this member ends; why: str, "" if it has done its part; code: exit code."""
        if not why and not self.cluster.is_chief:
            return
        with contextlib.suppress(tf.errors.OpError):
            record, _ = self.board.read()
            if record.get("state") != board_lib.ENDED and record.get("run") == self.run:
                self._end(why, code)

    def _end(self, why, code):
        self.board.write(board_lib.ENDED, run=self.run, by=self.name, why=why, code=code)
