"""Sessions of a cluster: opened, closed, and used without the other workers."""

import contextlib
import threading

import tensorflow.compat.v1 as tf

CLOSE_SECONDS = 2.0  # a server that does not answer must not delay the end


class Alone:
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


class Bounded:
    """Calls functions, but waits for them only for some seconds.

    TensorFlow's timeouts do not cover what a session does with a server for the first time. If the
    server hangs, such a call takes for ever. So a thread waits for it.
    """

    def __init__(self, seconds):
        """Store how long to wait."""
        self._seconds = seconds
        self._free = threading.Lock()  # held by a call until it has returned

    def __call__(self, function):
        """Return function(), or raise its error.

        Raises:
          tf.errors.DeadlineExceededError: it takes too long, or an earlier call still waits.
        """
        results, errors = [], []

        def run():
            try:
                results.append(function())
            except BaseException as error:
                errors.append(error)
            finally:
                self._free.release()

        if self._free.acquire(timeout=self._seconds):
            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            thread.join(self._seconds)
        if errors:
            raise errors[0]
        if not results:
            raise tf.errors.DeadlineExceededError(None, None, "the server does not answer")
        return results[0]


@contextlib.contextmanager
def opened(target, options):
    """Open a session of the current graph, in `with`; yield it."""
    session = tf.Session(target, config=options)
    try:
        yield session
    finally:
        close(session)


def close(session):
    """Close a session, also if its servers are gone.

    TensorFlow then takes 30 seconds, and again when it deletes a session that is not closed. The
    thread goes on, and refers to the session until it is closed.
    """
    closing = threading.Thread(target=session.close, daemon=True)
    closing.start()
    closing.join(CLOSE_SECONDS)


def close_queues(session, closing):
    """Close the queues, so that no other member waits for this one.

    Does not wait long for a server that hangs. TensorFlow has no timeout for operations that run
    for the first time.
    """
    if not closing:
        return

    def run():
        # The server is gone, and the queues with it, or the session was closed meanwhile.
        with contextlib.suppress(tf.errors.OpError, RuntimeError):
            session.run(closing)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(CLOSE_SECONDS)
