"""How a step goes on without the slowest workers: the exchange of --backup_workers=N.

Before the first sum of a step, the chief decides which workers take part in it. Each other worker
announces that its part is ready, and of which step the part is. The chief answers with its own
step. If the two are equal, the worker takes part:

    worker 1 -- (1, step) --+                +-- step --> worker 1
                            +--> the chief --+
    worker 2 -- (2, step) --+                +-- step --> worker 2

The chief waits for all workers but N, and for its own part. It also takes those that have announced
themselves by then. A worker that is later waits for its answer until the end of the step, and goes
on with the step after it. The sums are those of the workers that take part, in the order of the
workers. So a step is that of one machine with their parts of the batch.

A worker reads the variables between the answer that names a step and its announcement. If it takes
part, the chief had not decided yet, so no variable had changed. A worker has one announcement at a
time, and the chief puts nothing into a queue of a worker that does not take part. So it never waits
for such a worker.
"""

import functools

import tensorflow.compat.v1 as tf

from mtl.cluster import exchange


class Exchange(exchange.Exchange):
    """The queues of one worker's graph. The first call of `total` decides who takes part.

    After that call, the chief has

        taking      bool [workers], whether each takes part; to be fetched with the step

    and each other worker

        step        int64 placeholder, the step of its part: the value of global_step before it
        following   int64 scalar, the step of the part that it computes next; to be fetched with the
                    step. It is step + 1 if the worker has taken part.
    """

    def __init__(self, number, count, run, backups, step):
        """Add no operation yet.

        Args:
          number, count, run: as exchange.Exchange.
          backups: int, how many workers a step may do without; less than `count`.
          step: function () -> int64 scalar, the number of training steps done.
        """
        super().__init__(number, count, run)
        self._needed = count - backups
        self._steps_done = step
        self._arrivals = self._answers = self._device = None  # two queues, and where they are
        self._decided = None  # a tensor; on a worker that does not take part, it is not computed

    def total(self, part, device):
        """Return the sum of the parts of the workers that take part; see exchange.Exchange."""
        if self._decided is None:
            self._device = device
            kinds = [(tf.int32, tf.TensorShape([])), (tf.int64, tf.TensorShape([]))]
            self._arrivals = self._queue("arrivals", self.count, kinds, device)
            self._answers = self._make("answer", kinds[1:], device)
            part = self._decided = self._announce(part) if self.number else self._choose(part)
        return super().total(part, device)

    def to_chief(self, parts, device):
        """Return the sums over the workers that take part; see exchange.Exchange."""
        if self.number:
            with tf.control_dependencies([self._decided]):
                parts = [tf.identity(part) for part in parts]
        return super().to_chief(parts, device)

    def end(self, after, device):
        """Return the operation that ends a step, also for those that did not take part."""
        if not self.number:
            after = [self._release(after)]
        return self.signal(after, device)

    def _announce(self, part):
        """Return the part. If this worker does not take part, the tensor is not computed."""
        self.step = tf.placeholder(tf.int64, [], "step")
        answers = self._answers[self.number - 1]

        def announced():
            with tf.control_dependencies([self._arrivals.enqueue([self.number, self.step])]):
                return answers.dequeue()

        # What is inside a tf.cond waits for the condition, but not always for what is outside.
        with tf.control_dependencies([part]):
            together = tf.identity(self.together)
        step = tf.cond(together, announced, lambda: tf.identity(self.step))
        takes_part = tf.equal(step, self.step)
        self.following = tf.where(takes_part, step + 1, step)
        # As in a branch of tf.cond that is not chosen, TensorFlow skips all operations that need
        # this tensor: the gradients and the later exchanges. A worker that computed its gradients
        # in vain would be late in the next step too.
        return tf.identity(tf.raw_ops.Switch(data=part, pred=takes_part).output_true)

    def _choose(self, part):
        """Return the part, once it is decided who takes part."""
        with tf.device(self._device):
            self._step_of_chief = self._steps_done()
            taking = tf.constant([True] + [False] * (self.count - 1))
            taking = tf.while_loop(self._misses, self._take, [taking], parallel_iterations=1)
            with tf.control_dependencies([part, taking]):
                arrived = self.together & (self._arrivals.size() > 0)
            self.taking, _ = tf.while_loop(
                lambda _, arrived: arrived,
                lambda taking, _: self._take_and_look(taking),
                [taking, arrived],
                parallel_iterations=1,
            )
        with tf.control_dependencies([self.taking]):
            return tf.identity(part)

    def _misses(self, taking):
        """Return whether the chief waits for more workers; taking: bool [workers]."""
        return self.together & (tf.reduce_sum(tf.cast(taking, tf.int32)) < self._needed)

    def _take(self, taking):
        """Answer the next worker; return `taking` with it if its part is of the chief's step."""
        number, step = self._answer(self._step_of_chief)
        takes_part = tf.equal(step, self._step_of_chief)
        return taking | (tf.one_hot(number, self.count, True, False) & takes_part)

    def _take_and_look(self, taking):
        """Return the result of `_take`, and whether another worker has arrived."""
        taking = self._take(taking)
        with tf.control_dependencies([taking]):
            return taking, self._arrivals.size() > 0

    def _release(self, after):
        """Return a tensor, known once those that wait after `after` are in the next step."""

        def release(waiting):
            number, _ = self._answer(self._step_of_chief + 1)
            with tf.control_dependencies([number]):
                return waiting - 1

        with tf.device(self._device):
            # Those that come later may already be in the next step. They must not be answered here.
            with tf.control_dependencies(after):
                waiting = self._arrivals.size()
            return tf.while_loop(lambda left: left > 0, release, [waiting], parallel_iterations=1)

    def _answer(self, step):
        """Answer the next worker with a step; return its number and its own step."""
        number, step_of_worker = self._arrivals.dequeue()
        put = [functools.partial(queue.enqueue, step) for queue in self._answers]
        with tf.control_dependencies([tf.switch_case(number - 1, put)]):
            return tf.identity(number), tf.identity(step_of_worker)

    def _sums(self, parts, queues):
        """Add the elements of the workers that take part, in the order of the workers."""
        for number, queue in enumerate(queues, start=1):
            added = functools.partial(_added, parts, queue)
            same = functools.partial(_same, parts)
            parts = tf.cond(self.taking[number], added, same, strict=True)
        return parts

    def _put(self, value, queues):
        """Put a value into the queues of the workers that take part; return operations."""
        found = []
        for number, queue in enumerate(queues, start=1):
            takes_part = tf.identity(self.taking[number])  # waits for what the caller waits for
            put = functools.partial(queue.enqueue, value)
            found.append(tf.cond(takes_part, put, tf.no_op).op)
        return found


def _added(parts, queue):
    """Add an element of a queue to tensors."""
    return [tf.add(part, other) for part, other in zip(parts, exchange.dequeued(queue))]


def _same(parts):
    return [tf.identity(part) for part in parts]
