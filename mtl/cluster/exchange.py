"""How the workers of a cluster add up tensors in each step: queues on a parameter server.

The chief is worker 0. Each other worker puts its part into a queue of its own. The chief takes one
part out of each queue, in the order of the workers, and adds them up. So each part of a step counts
exactly once, and the sum does not depend on which part arrives first:

    worker 1 -- part --> queue 1 --+
    worker 2 -- part --> queue 2 --+--> chief: own part + part 1 + part 2

A queue holds one element. No worker can be more than one element ahead of the chief.
"""

import tensorflow.compat.v1 as tf


class Exchange:
    """The queues of one worker's graph. All workers must build the same ones in the same order."""

    def __init__(self, number, count, run):
        """Add no operation yet.

        Args:
          number: int, the number of this worker; 0 is the chief.
          count: int, workers in all, with the chief.
          run: str, the container of the queues on the servers. Each start of the chief has its own,
            so that nobody meets the queues of an earlier one, which may be closed or full.
        """
        self.number = number
        self.count = count
        self._run = run
        # Feeding False lets this worker compute alone: its part counts as the whole.
        self.together = tf.placeholder_with_default(True, [], "together")
        # With backup workers only, see backup.py.
        self.step = self.following = self.taking = None
        # Operations that close all queues: whoever waits for one gets an error.
        self.closing = []
        self._steps = []

    def to_chief(self, parts, device):
        """Return the sums of the parts of all workers on the chief; elsewhere, the own parts.

        Args:
          parts: list of tensors of static shape, the same on all workers.
          device: str, of the queues and of the sums.
        """
        if self.count == 1:
            return parts
        queues = self._make("part", [(each.dtype, each.shape) for each in parts], device)
        if self.number:
            self._steps.append(queues[self.number - 1].enqueue(parts))
            return parts
        with tf.device(device):
            return tf.cond(
                self.together,
                lambda: self._sums(parts, queues),
                lambda: [tf.identity(part) for part in parts],
                strict=True,  # a list of one tensor stays a list
            )

    def total(self, part, device):
        """Return the sum of the parts of all workers, on all workers.

        Args:
          part: tensor of static shape.
          device: str, of the queues.
        """
        if self.count == 1:
            return part
        kinds = [(part.dtype, part.shape)]
        parts, answers = self._make("part", kinds, device), self._make("answer", kinds, device)

        def exchanged():
            if self.number:
                with tf.control_dependencies([parts[self.number - 1].enqueue(part)]):
                    return answers[self.number - 1].dequeue()
            (whole,) = self._sums([part], parts)
            with tf.control_dependencies(self._put(whole, answers)):
                return tf.identity(whole)

        whole = tf.cond(self.together, exchanged, lambda: tf.identity(part))
        whole.set_shape(part.shape)
        self._steps.append(whole.op)  # also if nothing uses the sum: a full queue would block
        return whole

    def signal(self, after, device):
        """Return an operation that ends, on all workers, once `after` has ended on the chief.

        Args:
          after: operation, or any list of operations, of this worker. The chief does not wait for
            those of the other workers.
          device: str, of the queues.
        """
        after = [after] if isinstance(after, tf.Operation) else list(after)
        after, self._steps = [*after, *self._steps], []
        if self.count == 1:
            return tf.group(*after)
        queues = self._make("signal", [(tf.bool, tf.TensorShape([]))], device)
        with tf.control_dependencies(after):
            if self.number:
                return queues[self.number - 1].dequeue().op
            return tf.group(*self._put(True, queues))

    def end(self, after, device):
        """Return the operation of `signal` that ends a step; arguments as there."""
        return self.signal(after, device)

    def _sums(self, parts, queues):
        """Add an element of each queue to tensors, in the order of the queues."""
        return _added(parts, queues)

    def _put(self, value, queues):
        """Put a value into each queue; return a list of operations."""
        return [queue.enqueue(value) for queue in queues]

    def _make(self, what, kinds, device):
        """Return a new queue for each worker but the chief; kinds: list of (dtype, shape)."""
        # The number of the queues so far distinguishes the queues of two sums.
        names = [f"worker{number}_{what}{len(self.closing)}" for number in range(1, self.count)]
        return [self._queue(name, 1, kinds, device) for name in names]

    def _queue(self, name, capacity, kinds, device):
        """Return a new queue. Its name is in the error of a closed queue; it names the worker."""
        dtypes, shapes = zip(*kinds)
        # To close a queue must not wait for what the caller waits for, such as the update.
        with tf.control_dependencies(None), tf.container(self._run), tf.device(device):
            queue = tf.FIFOQueue(capacity, dtypes, shapes, shared_name=name, name=name)
            self.closing.append(queue.close(cancel_pending_enqueues=True))
        return queue


def _added(parts, queues):
    """Return the sums of Exchange._sums.

    Not tf.add_n: with three or more tensors, the order in which it adds depends on which buffer is
    free. TensorFlow's optimiser of graphs may turn a chain of sums into tf.add_n, but not if a sum
    waits for another operation. So the sums wait for all parts.
    """
    elements = [dequeued(queue) for queue in queues]
    with tf.control_dependencies([tf.group(*(element[0].op for element in elements))]):
        for element in elements:
            parts = [tf.add(part, other) for part, other in zip(parts, element)]
    return parts


def dequeued(queue):
    """Take an element out of a queue; return its components, a list of tensors."""
    element = queue.dequeue()
    return list(element) if isinstance(element, (list, tuple)) else [element]
