"""A trained network, restored from a run directory."""

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import checkpoint, fields, model, run_files, sessions
from mtl.errors import DataError, UsageError
from mtl.inference import graph as inference_graph
from mtl.runs import find

# In the part for small batches, a weight of at most this many values is a constant. A larger one
# would take too much memory, because TensorFlow keeps several copies of a constant.
MOST_CONSTANT = 1 << 22


class Network:
    """A network with its own graph and session. Close it, or use it in `with`."""

    def __init__(self, run: run_files.Run, checkpoint_path: str, precision: str = "fp32"):
        """Rebuild the network of a run and restore its variables.

        Args:
          run: the record of the run. Its temperature is only stored: `outputs` does not apply it,
            because several views of an image are averaged first.
          checkpoint_path: without .index, such as DIR/model.ckpt-400.
          precision: of the bottom, whatever that of the training: fp32 or bf16.

        Raises:
          DataError: the checkpoint is missing, broken, or belongs to another network.
        """
        self.config = run.config
        self.tasks = run.tasks
        self.inputs = run.inputs
        self.temperature = run.temperature
        self.step = checkpoint.step_of(checkpoint_path)
        # The bottom of a user may need real variables, for example to assign values to them.
        own = fields.names_function("bottom", run.config.bottom)
        small = None if own else _constants(checkpoint_path)
        with tf.Graph().as_default() as graph:
            built = inference_graph.build(
                tasks=run.tasks,
                inputs=run.inputs,
                precision=precision,
                parts=sessions.parts_of_predictions(),
                small=small,
                **model.network_settings(run.config),
            )
            self._session = tf.Session(graph=graph, config=sessions.prediction_config())
            variables = {variable.op.name: variable for variable in tf.global_variables()}
            try:
                checkpoint.restore(self._session, variables, checkpoint_path)
            except BaseException:
                self._session.close()
                raise
        self._bound = built.bind(self._session)

    @classmethod
    def open(cls, model_dir: str, which: str = "best", precision: str = "fp32") -> "Network":
        """Open a network of a run directory.

        Args:
          model_dir: a run directory, or "pretrained".
          which: "best" (the newest if there is no best), "last", or the path of a checkpoint.
          precision: as of Network.

        Raises:
          DataError: there is no such run or checkpoint, it is broken, or the run has a bottom of
            the user's that cannot be imported.
        """
        run = run_files.read(find.directory(model_dir))
        path = find.checkpoint(model_dir, which)
        check_own_bottom(model_dir, run)
        return cls(run, path, precision)

    def outputs(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network.

        Args:
          inputs: [n, *inputs.network_shape] of the type inputs.dtype, see self.inputs.

        Returns:
          dict task name -> float32 [n, task.outputs], see mtl/kinds, in task order.

        Raises:
          ValueError: the inputs have another type or shape.
        """
        return self._bound.outputs(inputs)

    def lanes(self) -> list[inference_graph.Lane]:
        """Return parts of the network that run concurrently, see graph.Bound.lanes."""
        return self._bound.lanes()

    def close(self) -> None:
        """Close the session."""
        self._session.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def check_own_bottom(model_dir: str, run: run_files.Run) -> None:
    """Raise DataError if a run has a bottom of the user's that cannot be imported."""
    if fields.names_function("bottom", run.config.bottom):
        try:
            fields.imported("bottom", run.config.bottom)
        except UsageError as error:
            raise DataError(f"{model_dir}: its {error}") from error


def _constants(path):
    """Return a custom_getter of tf.variable_scope that reads variables as constants.

    oneDNN converts weights to the layout of its kernels: a constant once, a variable in every run.
    For a single image it does not convert a variable, and uses slower kernels. With constants, one
    image takes 0.9 times as long, and 0.7 times on AVX2. Large batches are no faster, and in bf16
    slower.

    Args:
      path: of the checkpoint, without .index.
    """

    def get(getter, name, shape, **settings):
        if np.prod(shape) > MOST_CONSTANT:
            return getter(name, shape=shape, **settings)
        return tf.constant(checkpoint.read(path, {name: (list(shape), tf.float32)})[name])

    return get
