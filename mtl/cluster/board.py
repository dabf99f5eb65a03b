"""What the members of a cluster tell each other: three variables of the first parameter server.

They outlive the sessions of all members. The hosts are the cluster as that server knows it. The
record says which run the workers join, and why it has ended. Each member has a row of the beats,
which it renews every second.
"""

import json
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from mtl.cluster import sessions

# The states of a run, in the record.
STARTING, RUNNING, ENDED = "starting", "running", "ended"
# What a member does, in its beat.
IDLE, PREPARING, STEPPING, DONE, LEFT = range(5)
SECONDS = 3.0  # to wait for a server that does not answer


class Beat(NamedTuple):
    """A row of the beats; all int."""

    process: int  # a random number of the process; 0: the member has never started
    count: int  # grows every second
    step: int  # steps done
    doing: int  # IDLE, PREPARING the next batch, STEPPING, DONE with all steps, or LEFT


class Board:
    """The variables, in a session of its own."""

    def __init__(self, target, host, filters, members):
        """Build the graph. Contacts no server.

        Args:
          target: str, of the server of this process.
          host: str, the device of the variables.
          filters: list of str, the device filters of the session.
          members: int, rows of the beats.
        """
        with tf.Graph().as_default() as graph, tf.device(host):
            hosts = _variable("mtl_hosts", [], tf.string)
            record = _variable("mtl_record", [], tf.string)
            beats = _variable("mtl_beats", [members, len(Beat._fields)], tf.int64)
            self._text = tf.placeholder(tf.string, [], "text")
            with tf.control_dependencies([record.initializer, beats.initializer]):
                self._create = hosts.assign(self._text).op
            self._hosts = hosts.read_value()
            self._write = record.assign(self._text).op
            self._row = tf.placeholder(tf.int64, [], "row")
            self._values = tf.placeholder(tf.int64, [len(Beat._fields)], "values")
            self._beat = tf.scatter_update(beats, self._row, self._values).op
            self._read = record.read_value(), beats.read_value()
        self._bounded = sessions.Bounded(SECONDS)
        options = tf.ConfigProto(device_filters=filters)
        self._session = tf.Session(target, graph=graph, config=options)

    def create(self, hosts):
        """Make an empty board. Only the process that has it may call it, when it starts.

        Args:
          hosts: dict job -> list of addresses.
        """
        self._run(self._create, {self._text: json.dumps(hosts)})

    def hosts(self):
        """Return the hosts; raise tf.errors.OpError if the board does not exist yet."""
        return json.loads(self._run(self._hosts))

    def write(self, state, **record):
        """Replace the record; record: what JSON can hold."""
        self._run(self._write, {self._text: json.dumps({"state": state, **record})})

    def beat(self, row, beat):
        """Write the Beat of a member."""
        self._run(self._beat, {self._row: row, self._values: beat})

    def read(self):
        """Return the record, a dict with "state", {} if there is none yet; and the list of Beat."""
        text, rows = self._run(self._read)
        return json.loads(text) if text else {}, [Beat(*row) for row in np.asarray(rows).tolist()]

    def close(self):
        """Close the session."""
        sessions.close(self._session)

    def _run(self, fetches, feed=None):
        try:
            return self._bounded(lambda: self._session.run(fetches, feed))
        except tf.errors.UnavailableError:
            # A connection that broke is opened again by the next call. All calls may be repeated.
            return self._bounded(lambda: self._session.run(fetches, feed))


def _variable(name, shape, dtype):
    # In no collection: it is no variable of a network.
    zeros = tf.zeros_initializer()
    return tf.get_variable(name, shape, dtype, zeros, collections=[], use_resource=True)
