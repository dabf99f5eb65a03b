"""A trained network, restored from a run directory."""

import os

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import checkpoint, run_files, tasks
from mtl.config import Config
from mtl.inference import graph as inference_graph
from mtl.runs import find

MAX_PARTS = 8  # parts of a batch that run concurrently; to build one takes 0.01 to 0.02 s


class Network:
    """A network with its own graph and session. Close it, or use it in `with`."""

    def __init__(self, config: Config, checkpoint_path: str, temperature: float = 1.0):
        """Rebuild the network of a run and restore its variables.

        Args:
          config: the Config of the run.
          checkpoint_path: without .index, such as DIR/model.ckpt-400.
          temperature: of the run. It is only stored: `log_probs` does not apply it, because several
            views of an image are averaged first.

        Raises:
          DataError: the checkpoint is missing, broken, or belongs to another network.
        """
        self.config = config
        self.temperature = temperature
        self.step = checkpoint.step_of(checkpoint_path)
        cores = os.cpu_count() or 1  # of this machine, which may differ from that of the training
        parts = min(cores, MAX_PARTS)
        with tf.Graph().as_default() as graph:
            built = inference_graph.build(
                tasks=tasks.NUMBER_TASKS, bottom=config.bottom, absent=config.absent, parts=parts
            )
            # -1 runs operations in the thread of the caller. Otherwise a single image takes up to
            # twice as long.
            options = tf.ConfigProto(
                intra_op_parallelism_threads=cores // parts, inter_op_parallelism_threads=-1
            )
            self._session = tf.Session(graph=graph, config=options)
            variables = {variable.op.name: variable for variable in tf.global_variables()}
            try:
                checkpoint.restore(self._session, variables, checkpoint_path)
            except BaseException:
                self._session.close()
                raise
        self._bound = built.bind(self._session)

    @classmethod
    def open(cls, model_dir: str, which: str = "best") -> "Network":
        """Open a network of a run directory.

        Args:
          model_dir: a run directory, or "pretrained".
          which: "best" (the newest if there is no best), "last", or the path of a checkpoint.

        Raises:
          DataError: there is no such run or checkpoint, or it is broken.
        """
        directory = find.directory(model_dir)
        config = run_files.read_config(directory)
        temperature = run_files.read_temperature(directory)
        return cls(config, find.checkpoint(model_dir, which), temperature)

    def log_probs(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network on images.

        Args:
          images: uint8 [n, CROP, CROP, 3].

        Returns:
          dict task name -> float32 [n, classes], log probabilities, in task order.

        Raises:
          ValueError: the images have another type or shape.
        """
        return self._bound.log_probs(images)

    def close(self) -> None:
        """Close the session."""
        self._session.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
