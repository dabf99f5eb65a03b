"""A trained network, restored from a run directory and ready to read pictures."""

import math
import os

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import checkpoint, tasks
from mtl.config import Config
from mtl.inference import graph as inference_graph
from mtl.runs import directories

MOST_CONSTANT = 1 << 22  # values of a weight that becomes a constant
MOST_PARTS = 8  # of a batch that are read at a time; to build one more takes 0.01 to 0.02 s


class Network:
    """A network with its own graph and session, so that several can live side by side; close it, or use it in `with`."""

    def __init__(self, config: Config, checkpoint_path: str):
        """Rebuild the network of a run and restore its variables.

        Args:
          config: Config of the run.
          checkpoint_path: str, a checkpoint without its suffix: D/model.ckpt-400.

        Raises:
          DataError: the checkpoint is missing, broken, or of another network.
        """
        self.config = config
        self.step = checkpoint.step_of(checkpoint_path)
        threads = (
            os.cpu_count() or 1
        )  # of this machine; the record has those that the run was trained with
        parts = min(threads, MOST_PARTS)
        with tf.Graph().as_default() as graph:
            like = {"bottom": config.bottom, "objective": config.objective, "absent": config.absent}
            with tf.variable_scope(
                tf.get_variable_scope(), custom_getter=_constants(checkpoint_path)
            ):
                net = inference_graph.build(tasks=tasks.NUMBER_TASKS, parts=parts, **like)
            # In the caller's thread: handed to another, and shared out between cores, one picture takes up to twice as long.
            session_config = tf.ConfigProto(
                intra_op_parallelism_threads=threads // parts, inter_op_parallelism_threads=-1
            )
            self._session = tf.Session(graph=graph, config=session_config)
            try:
                checkpoint.restore(
                    self._session,
                    {variable.op.name: variable for variable in tf.global_variables()},
                    checkpoint_path,
                )
            except BaseException:
                self._session.close()
                raise
        self._bound = net.bind(self._session)

    @classmethod
    def open(cls, model_dir: str, which: str = "best") -> "Network":
        """Open a network of a run directory.

        Args:
          model_dir: str.
          which: str, "best" (the newest where there is no best), "last", or the path of a checkpoint.

        Returns:
          Network.

        Raises:
          DataError: there is no such run or checkpoint, or it is broken.
        """
        return cls(
            checkpoint.read_config(directories.directory(model_dir)),
            directories.find(model_dir, which),
        )

    def log_probs(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Read pictures.

        Args:
          images: uint8 [n, CROP, CROP, 3].

        Returns:
          dict task name -> float32 [n, classes], log probabilities, in task order.

        Raises:
          ValueError: the images are of another type or shape.
        """
        return self._bound.log_probs(images)

    def cost_of_means(self, means: dict[str, float]) -> float:
        """Return the run's objective of mean cross entropies, dict task name -> float, by the formula that training minimised."""
        return self._bound.cost_of_means(means)

    def close(self) -> None:
        """Free the session; the network reads no more."""
        self._session.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def _constants(path):
    """Make the custom_getter of tf.variable_scope that gives a layer a constant out of a checkpoint where it asks for a variable.

    oneDNN keeps a constant in the order its kernels read, and orders the values of a variable anew at each run: one picture takes a
    twentieth less. Past MOST_CONSTANT values, as in `paper`, it would take seconds and gigabytes to begin: those stay variables.
    """
    known = {}

    def get(getter, name, shape, dtype, **others):
        if math.prod(shape) > MOST_CONSTANT:
            return getter(name=name, shape=shape, dtype=dtype, **others)
        if name not in known:  # each part of a batch asks for it
            with tf.name_scope(None):
                known[name] = tf.constant(
                    checkpoint.read(path, {name: (list(shape), dtype)})[name], name=name
                )
        return known[name]

    return get
