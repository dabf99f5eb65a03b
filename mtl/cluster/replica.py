"""The hook of graph.build: how one of several synchronous workers builds a training step.

N workers with N parts of a batch make the same step as one machine with the batch. Each objective
is a function of the mean losses of the batch, or of their gradients. So in each step the workers
add up, see exchange.py:

1. the losses and the number of labelled examples of each task. The mean losses are then those of
   the whole batch, on all workers, but their gradients are those of the own part;
2. the gradients. Only the chief needs their sums: it makes the one update of the step. For an
   objective of gradients, these are the gradients of each task;
3. the losses after the update, for the objective that asks for them (famo).

With one worker nothing is added up, and a step has the same bits as on one machine.

A cost that is computed from the outputs of the network, not from the mean losses, is not the sum
of costs of the parts. So log_sum, which has the same cost, replaces the objective answer, and such
an objective of the user is refused.
"""

import functools

import tensorflow.compat.v1 as tf

from mtl import layers
from mtl.cluster import backup
from mtl.cluster.exchange import Exchange
from mtl.errors import UsageError
from mtl.tasks import OBJECTIVE

STEP = "global_step"


class Replica:
    """One of several workers."""

    def __init__(self, number, count, host, run, sync=True, backups=0):
        """Store the settings; adds to the current graph.

        Args:
          number: int, of this worker; 0 is the chief.
          count: int, workers in all.
          host: str, the device of the queues of single numbers.
          run: str, see Exchange.
          sync: bool; False: asynchronous, each worker updates the variables on its own.
          backups: int, how many workers a synchronous step may do without, see backup.py.
        """
        if not sync:  # each worker is the only one that adds up, and its own chief
            self.exchange = Exchange(0, 1, run)
        elif backups:
            self.exchange = backup.Exchange(number, count, run, backups, _steps_done)
        else:
            self.exchange = Exchange(number, count, run)
        self._number = number
        self._host = host
        self._objective = None  # its name
        self._added = set()  # operations whose values are those of the whole batch

    @property
    def updates(self):
        """Whether this worker updates the variables."""
        return self.exchange.number == 0

    def seed(self, seed):
        """Return the seed of the dropout masks, which differ from worker to worker."""
        return seed ^ layers.key(f"worker{self._number}") if self._number else seed

    def objective(self, name):
        """Return the name of an objective with the same cost, which workers can divide."""
        self._objective = name
        return "log_sum" if name == "answer" and self.exchange.count > 1 else name

    def total(self, parts):
        """Return the sums over all workers; the gradient of a sum is that of the own part.

        Args:
          parts: list of float32 scalars.

        Returns:
          list of float32 scalars.
        """
        stacked = tf.stop_gradient(tf.stack(parts))
        whole = tf.unstack(self.exchange.total(stacked, self._host))
        found = [_with_gradient(*each) for each in zip(parts, whole)]
        self._added.update(tensor.op for tensor in found)
        return found

    def whole(self, lists, variables):
        """Return the gradients of the whole batch on the chief; elsewhere, those of the own part.

        Args:
          lists: list of lists of gradients, None or float32 of the shape of the variable.
          variables: list, the same for each list.
        """
        found = [list(gradients) for gradients in lists]
        if self.exchange.count == 1:
            # Unchanged: an objective may recognise how a gradient is computed.
            return found
        by_device = {}
        for row, gradients in enumerate(found):
            for column, gradient in enumerate(gradients):
                if gradient is not None:
                    where = by_device.setdefault(variables[column].device, [])
                    where.append((row, column))
        for device, where in by_device.items():
            parts = []
            for row, column in where:
                part = tf.convert_to_tensor(found[row][column])
                parts.append(tf.reshape(part, variables[column].shape))
            for (row, column), total in zip(where, self.exchange.to_chief(parts, device)):
                found[row][column] = total
                self._added.add(total.op)
        return found

    def gradients(self, pairs):
        """Return the (gradient, variable) pairs of the whole batch; see `whole`.

        The variables of the objective depend on the batch through its mean losses only, so their
        gradients are already those of the whole batch.
        """
        added = [pair for pair in pairs if not pair[1].op.name.startswith(f"{OBJECTIVE}/")]
        parts, variables = zip(*added)
        (totals,) = self.whole([parts], variables)
        found = {variable.ref(): total for total, variable in zip(totals, variables)}
        if self.updates and self.exchange.count > 1:
            # Until all gradients are there, another worker may still read these variables.
            with tf.control_dependencies(totals):
                for gradient, variable in pairs:
                    if variable.ref() not in found:
                        found[variable.ref()] = tf.identity(gradient)
        return [(found.get(variable.ref(), gradient), variable) for gradient, variable in pairs]

    def read_again(self, getter, name, **options):
        """Get a weight as it is after the update: a custom getter, see placement.getter."""
        variable = getter(name, **options)
        if options.get("trainable") is False:
            return variable  # own code may assign to it
        if hasattr(variable, "read_value"):
            return variable.read_value()
        return tf.concat([part.read_value() for part in variable], axis=0)

    def minimize(self, pairs, build, is_finite, update, again):
        """Return the operation of one training step; it ends once the chief has made the update.

        Args:
          pairs: list of (gradient, variable), of the whole batch on the chief.
          build: function (Update, again) -> operation, the step of one machine.
          is_finite: None, or bool scalar: whether the update is not skipped.
          update: objectives.Update.
          again: function () -> the mean losses after the update.

        Raises:
          UsageError: the cost is not the sum of costs of the parts.
        """
        if self.exchange.count > 1:
            self._check(update.cost)
        self._check_state(update.state)
        updated = []
        if self.updates:
            # Once all gradients are there, no worker needs the state of before any more.
            with tf.control_dependencies([gradient for gradient, _ in pairs]):
                state = [(variable, tf.identity(value)) for variable, value in update.state]
            updated = [build(update._replace(state=state, follow=None), again)]
        if update.follow:
            updated = [self.exchange.signal(updated, self._host)]
            with tf.control_dependencies(updated):
                state = update.follow(again())
                if self.updates:
                    updated.append(_assign(state, is_finite))
        return self.exchange.end(updated, self._host)

    def _check_state(self, state):
        """Raise UsageError if the objective remembers parts of variables: only a cluster has them.

        A part of a variable is stored with the other parts; what is remembered of it is not.
        """
        if any("/part_" in variable.op.name for variable, _ in state):
            what = f"--objective={self._objective} remembers numbers of each variable, so none can"
            raise UsageError(f"{what} be divided; remove --partition_mb")

    def _check(self, cost):
        """Raise UsageError if a cost depends on a part of the batch, or on the network."""
        found, waiting = set(), [cost.op]
        while waiting:
            op = waiting.pop()
            if op in found or op in self._added:
                continue
            found.add(op)
            waiting += [tensor.op for tensor in op.inputs]
        for op in found:
            own = op.name.startswith(f"{OBJECTIVE}/") or op.name == STEP
            if op.type == "Placeholder" or (op.type == "VarHandleOp" and not own):
                what = f"--objective={self._objective} computes its cost from more than the mean"
                cure = "compute it from `means` alone, or train with --sync=none"
                raise UsageError(f"{what} losses, so workers cannot divide it; {cure}")


def _steps_done():
    """Return the number of training steps done, an int64 scalar."""
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        return tf.get_variable(STEP, [], tf.int64, use_resource=True).read_value()


def _assign(pairs, is_finite):
    """Assign (variable, value) pairs, unless the step is skipped."""
    assign = functools.partial(_assigned, pairs)
    return assign() if is_finite is None else tf.cond(is_finite, assign, tf.no_op)


def _assigned(pairs):
    return tf.group(*(variable.assign(value) for variable, value in pairs))


@tf.custom_gradient
def _with_gradient(part, whole):
    """Return `whole`, with the gradient of `part`."""

    def gradient(upstream):
        return upstream, None

    return tf.identity(whole), gradient
