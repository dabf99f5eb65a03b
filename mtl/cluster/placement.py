"""Which device has which variable and operation: variables on the parameter servers."""

import tensorflow.compat.v1 as tf

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


def setter(worker, servers):
    """Return the device function of a worker's graph, for `with tf.device(...)`.

    All workers must create their variables in the same order.

    Args:
      worker: str, the device of the worker, such as "/job:worker/task:1".
      servers: int, the number of parameter servers.
    """
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


def filters(worker):
    """Return the device filters of a worker's session: it does not wait for other workers."""
    return [f"/job:{PS}", worker]
