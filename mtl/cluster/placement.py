"""Which device has which variable and operation: variables on the parameter servers."""

import contextlib

import tensorflow.compat.v1 as tf

from mtl.tasks import OBJECTIVE

PS = "ps"


class ByBytes:
    """A strategy of tf.train.replica_device_setter: the server with the fewest bytes is next.

    The setter itself takes the servers in turn, so that one of them may have all large variables.
    """

    def __init__(self, servers):
        """Start with empty servers; servers: int."""
        self.bytes = [0] * servers

    def __call__(self, op):
        """Return the index of the server of a new variable."""
        index = self.bytes.index(min(self.bytes))
        shape, dtype = tf.TensorShape(op.get_attr("shape")), op.get_attr("dtype")
        self.bytes[index] += shape.num_elements() * dtype.size
        return index


@contextlib.contextmanager
def placed(worker, servers, largest=0):
    """Place the variables and operations of a worker that are created in `with`.

    All workers must create their variables in the same order.

    Args:
      worker: str, the device of the worker, such as "/job:worker/task:1".
      servers: int, the number of parameter servers.
      largest: int, bytes; a larger weight is divided along its first axis, into at most one part
        for each server. 0 divides none.
    """
    get = _getter(worker, servers, largest)
    scope = tf.variable_scope(
        tf.get_variable_scope(), auxiliary_name_scope=False, custom_getter=get
    )
    with tf.device(_setter(worker, servers)), scope:
        yield


def _setter(worker, servers):
    """Return the device function of a worker's graph, for `with tf.device(...)`."""
    by_job = tf.train.replica_device_setter(
        ps_tasks=servers,
        ps_device=f"/job:{PS}",
        worker_device=worker,
        ps_strategy=ByBytes(servers),
    )

    def device(op):
        # The sum of a gradient is computed where the gradient is, so that only a number is sent.
        if op.type == "Sum" and op.inputs[0].device.startswith(f"/job:{PS}/"):
            return op.inputs[0].device
        return by_job(op)

    return device


def _getter(worker, servers, largest):
    """Return how a worker gets its variables: a custom getter of a variable scope.

    In each step, a worker receives each weight once, not once for each of its towers.
    """
    partitioner = None
    if largest:
        partitioner = tf.variable_axis_size_partitioner(largest, max_shards=servers)

    def get(getter, name, shape, **options):
        # What the objective learns may be read again after the update.
        if options.get("trainable") is False or name.startswith(f"{OBJECTIVE}/"):
            return getter(name, shape, **options)
        options["caching_device"] = worker
        size = tf.TensorShape(shape).num_elements() * tf.as_dtype(options["dtype"]).size
        if partitioner and size > largest:
            options["partitioner"] = partitioner
        return getter(name, shape, **options)

    return get


def filters(worker):
    """Return the device filters of a worker's session: it does not wait for other workers."""
    return [f"/job:{PS}", worker]
