"""What the members of a cluster tell each other: a record in a variable of a parameter server.

It outlives the sessions of all workers, so a worker may start before or after the chief.
"""

import json

import tensorflow.compat.v1 as tf

# The states of a run.
STARTING, RUNNING, ENDED = "starting", "running", "ended"
_NAME = "mtl_board"
_TIMEOUT_MS = 5000  # of a server that does not answer


class Board:
    """The record, in a session of its own."""

    def __init__(self, target, host, filters):
        """Build the graph. Contacts no server.

        Args:
          target: str, of the server of this process.
          host: str, the device of the variable.
          filters: list of str, the device filters of the session.
        """
        with tf.Graph().as_default() as graph, tf.device(host):
            # In no collection: it is no variable of a network.
            variable = tf.get_variable(
                _NAME, [], tf.string, tf.zeros_initializer(), collections=[], use_resource=True
            )
            self._text = tf.placeholder(tf.string, [], "text")
            self._write = variable.assign(self._text).op
            self._known = variable.is_initialized()
            self._read = variable.read_value()
        self._options = tf.RunOptions(timeout_in_ms=_TIMEOUT_MS)
        options = tf.ConfigProto(device_filters=filters)
        self._session = tf.Session(target, graph=graph, config=options)

    def write(self, state, **record):
        """Replace the record; record: what JSON can hold."""
        text = json.dumps({"state": state, **record})
        self._session.run(self._write, {self._text: text}, self._options)

    def read(self):
        """Return the record as a dict with "state"; {} if no member has written one yet."""
        if not self._session.run(self._known, options=self._options):
            return {}
        return json.loads(self._session.run(self._read, options=self._options))
