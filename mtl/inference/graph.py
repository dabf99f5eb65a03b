"""The inference graph of `mtl evaluate`, `mtl predict` and the evaluations during training."""

import concurrent.futures
import threading
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import model
from mtl.config import CHANNELS, CROP
from mtl.data import batches


class Inference(NamedTuple):
    """The named tensors of an inference graph."""

    images: Any  # placeholder, uint8 [batch, crop, crop, channels]
    log_probs: dict[str, Any]  # task name -> float32 [batch, classes], in task order
    others: tuple = ()  # (images, log_probs) of the other parts, which share the variables

    def bind(self, session) -> "Bound":
        """Return the graph as a function of arrays. Adds no operation."""
        return Bound(session, [(self.images, self.log_probs), *self.others])


class Bound:
    """An inference graph in a session, as a function of arrays."""

    def __init__(self, session, parts):
        """Create a callable for each part; parts: list of (images, log_probs)."""
        self._shape = ("n", *parts[0][0].shape.as_list()[1:])
        self._calls = [session.make_callable(outputs, [images]) for images, outputs in parts]
        # One caller at a time, because a part must not run concurrently with itself; see `build`.
        self._lock = threading.Lock()

    def log_probs(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network on images, in several threads if it has several parts.

        Args:
          images: uint8 [n, crop, crop, channels].

        Returns:
          dict task name -> float32 [n, classes], log probabilities, in task order.

        Raises:
          ValueError: the images have another type or shape.
        """
        batches.check_images(images, self._shape)
        parts = min(len(self._calls), len(images) // 2)
        with self._lock:
            if parts < 2:
                return self._calls[0](images)
            split = np.array_split(images, parts)
            # A running session releases Python's lock, so the threads run in parallel.
            with concurrent.futures.ThreadPoolExecutor(parts) as pool:
                futures = [pool.submit(*each) for each in zip(self._calls, split)]
                outputs = [future.result() for future in futures]
        return {name: np.concatenate([each[name] for each in outputs]) for name in outputs[0]}


def build(*, tasks, bottom, absent="x", parts=1, crop=CROP, channels=CHANNELS):
    """Build the network without dropout into the current graph.

    In `tf.variable_scope(tf.get_variable_scope(), reuse=True)` it shares existing variables.

    Args:
      tasks: sequence of Task.
      bottom: str, one of config.BOTTOMS.
      absent: str, one of config.choices("absent").
      parts: int, the number of parts of a batch that can run concurrently. Each has its own
        operations, because concurrent runs of one fused convolution crash TensorFlow 2.21.
      crop: int, height and width of the images in pixels.
      channels: int.

    Returns:
      Inference.
    """
    built = []
    with tf.name_scope("inference"):  # does not affect the names of variables
        for part in range(parts):
            scope = tf.variable_scope(
                tf.get_variable_scope(), auxiliary_name_scope=False, reuse=True if part else None
            )
            with scope:
                images = tf.placeholder(tf.uint8, [None, crop, crop, channels], name="images")
                pixels = model.to_float(images)
                network = model.build(pixels, tasks=tasks, bottom=bottom, absent=absent)
                built.append((images, network.log_probs))
    images, log_probs = built[0]
    return Inference(images, log_probs, tuple(built[1:]))
