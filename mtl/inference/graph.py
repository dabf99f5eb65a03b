"""The graph that reads pictures: what an evaluation during training, `mtl evaluate` and `mtl predict` all run."""

import concurrent.futures
import functools
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import losses, model
from mtl.config import CHANNELS, CROP
from mtl.data import batches


class Bound(NamedTuple):
    """A network as two plain functions of NumPy arrays, for code that knows no TensorFlow."""

    log_probs: Callable[
        [np.ndarray], dict[str, np.ndarray]
    ]  # uint8 [n, crop, crop, channels] -> task name -> float32 [n, classes]
    cost_of_means: Callable[
        [dict[str, float]], float
    ]  # task name -> mean cross entropy -> the run's objective of them


class Inference(NamedTuple):
    """What to feed and what to fetch."""

    images: Any  # placeholder, uint8 [batch, crop, crop, channels]
    log_probs: dict[str, Any]  # task name -> float32 [batch, classes], in task order
    means: Any  # placeholder, float32 [tasks], mean cross entropies of a whole data set, in task order; NaN: of no example, adds 0
    cost: Any  # float32 scalar, the objective of `means`; it depends on no image
    others: tuple = ()  # further (images, log_probs) of the same variables, see `build`

    def bind(self, session) -> Bound:
        """Tie the graph to a session of it; adds no operation, so the graph may be finalized."""
        readers = [(self.images, self.log_probs), *self.others]
        reads = [
            session.make_callable(log_probs, feed_list=[images]) for images, log_probs in readers
        ]
        cost = session.make_callable(self.cost, feed_list=[self.means])
        shape = ("n", *self.images.shape.as_list()[1:])
        return Bound(
            functools.partial(_in_parts, reads, shape, threading.Lock()),
            lambda means: float(
                cost(np.array([means[name] for name in self.log_probs], np.float32))
            ),
        )


def _in_parts(reads, shape, lock, images):
    """Read pictures, as Bound.log_probs, each part in a thread of its own, which leaves Python to the others while its session runs.

    The lock keeps callers apart that have threads of their own: see `build` for what would happen.
    """
    batches.check_images(images, shape)
    parts = min(len(reads), len(images) // 2)
    with lock:
        if parts < 2:
            return reads[0](images)
        with concurrent.futures.ThreadPoolExecutor(parts) as pool:
            rows = list(
                pool.map(lambda read, part: read(part), reads, np.array_split(images, parts))
            )
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def build(*, tasks, bottom, objective, absent="x", parts=1, crop=CROP, channels=CHANNELS):
    """Build the network without dropout, and the objective of mean cross entropies, into the current graph; return Inference.

    Under `tf.variable_scope(tf.get_variable_scope(), reuse=True)` it shares the variables of the training network that is there.

    Args:
      tasks: sequence of Task.
      bottom: str, a key of bottoms.BOTTOMS.
      objective: str, a key of losses.OBJECTIVES_OF_MEANS.
      absent: str, one of config.ABSENT.
      parts: int, how many parts of a batch can be read at the same time. Each has operations of its own: two runs of one convolution at a
        time, with a sum fused into it, end TensorFlow 2.21 with a segmentation fault.
      crop: int, height and width of the pictures in pixels.
      channels: int.
    """
    with tf.name_scope(
        "inference"
    ):  # variables are named by variable scopes alone and do not take this on
        readers = []
        for part in range(parts):
            with tf.variable_scope(
                tf.get_variable_scope(), auxiliary_name_scope=False, reuse=True if part else None
            ):
                images = tf.placeholder(tf.uint8, [None, crop, crop, channels], name="images")
                readers.append(
                    (
                        images,
                        model.build(
                            model.to_float(images), tasks=tasks, bottom=bottom, absent=absent
                        ).log_probs,
                    )
                )
        images, log_probs = readers[0]
        # Fed from outside, so that the cost is that of a data set, not the average over batches of a cost that is not linear.
        means = tf.placeholder(tf.float32, [len(log_probs)], name="means")
        known = tf.where(
            tf.is_nan(means), tf.fill([len(log_probs)], losses.NEUTRAL[objective]), means
        )
        cost = losses.OBJECTIVES_OF_MEANS[objective](tf.unstack(known))
    return Inference(images, log_probs, means, cost, tuple(readers[1:]))
