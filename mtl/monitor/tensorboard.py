"""TensorBoard events of a run: scalars, validation images with predictions, and the graph.

Every config.log_every steps:
    cost                                on the labels of training, which may be smoothed
    lr, examples_per_sec
    loss/TASK/raw_ce, log, at_floor     the mean loss, its clipped logarithm, 1 at the clip's floor
    grad_norm/shared/TASK               the gradient norm of the task's term of the cost at the
                                        shared features
At each evaluation:
    accuracy/sequence, character, TASK
    validation/cost, validation/TASK/raw_ce     on hard labels
    coverage_at_98                      the largest share of examples with 98% correct
    validation/read                     an image of predictions
"""

import dataclasses
import io
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import checkpoint, train
from mtl.config import Config
from mtl.data.examples import Examples
from mtl.evaluation import metrics
from mtl.explain import blocks, diagram, lines
from mtl.inference import decoding
from mtl.monitor import event_files
from mtl.objectives.log_sum import CLIP_CEILING, CLIP_FLOOR
from mtl.reports import sheet

IMAGES = 24  # validation images drawn at each evaluation


class Events:
    """Writes the events of a run. If a write fails, it warns once and writes no more events."""

    def __init__(self, config: Config, directory: str, first: int, say: Callable[[str], Any]):
        """Store the settings. The file is created later, so a run that fails to start leaves none.

        Args:
          config: Config of the run.
          directory: str, the run directory.
          first: int, the step that the run continues from, 0 for a new run.
          say: function str -> None, called with warnings.
        """
        self._config, self._directory, self._first, self._say = config, directory, first, say
        self._begun = False
        self._file = None
        self._timed = None  # (step, seconds) of the last step; None after an evaluation

    def watch(self, session: Any, graph: train.Graph) -> None:
        """Add the gradient norms and the learning rate to a training graph.

        Args:
          session: tf.Session of the run.
          graph: train.Graph.
        """
        config = self._config
        self._session, self._graph = session, graph
        with tf.name_scope("tensorboard"):
            self._global_step = graph.step.value()
            rate = train.learning_rate(
                config.learning_rate, config.schedule, graph.step, config.steps
            )
            self._fetched = {"lr": tf.convert_to_tensor(rate)}
            for name, term in graph.terms.items():
                (gradient,) = tf.gradients(term, graph.network.features)
                self._fetched[f"grad_norm/shared/{name}"] = tf.norm(gradient)

    def step(
        self,
        step: int,
        cost: float,
        losses: Mapping[str, float],
        images: np.ndarray,
        labels: Mapping[str, np.ndarray],
    ) -> None:
        """Write the scalars of a training step.

        Args:
          step: int.
          cost: float.
          losses: dict task name -> float, the mean loss, before any clip or log.
          images: uint8 [batch, crop, crop, 3], the batch of this step. The gradient norms are
            computed on it with the updated weights.
          labels: dict task name -> int32 [batch].
        """
        now = time.monotonic()
        feeds = {self._graph.images: images}
        for name, placeholder in self._graph.labels.items():
            feeds[placeholder] = labels[name]
        values = {"cost": cost, **self._session.run(self._fetched, feeds), **_loss_scalars(losses)}
        if self._timed:
            last_step, then = self._timed
            images_done = (step - last_step) * self._config.batch_size
            values["examples_per_sec"] = images_done / (now - then)
        self._timed = step, time.monotonic()
        self._write_scalars(step, values)

    def evaluated(
        self, row: Mapping[str, Any], examples: Examples, log_probs: Mapping[str, np.ndarray]
    ) -> None:
        """Write an evaluation on validation: its metrics, and the first images with predictions.

        Args:
          row: dict, the result of evaluate.measure.
          examples: Examples.
          log_probs: dict task name -> float32 [n, classes].
        """
        step = int(self._session.run(self._global_step))
        self._timed = None  # the time of an evaluation is not training time
        self._write_scalars(step, _evaluation_scalars(row))
        shown = {name: rows[:IMAGES] for name, rows in log_probs.items()}
        numbers, _ = decoding.joint(shown)
        image = _image(examples.images[:IMAGES], examples.numbers[:IMAGES], numbers)
        self._write(step, summary=tf.Summary(value=[image]))

    def close(self) -> None:
        """Close the file."""
        try:
            if self._file:
                self._file.close()
        except (OSError, tf.errors.OpError) as error:
            self._give_up(error)

    def _write_scalars(self, step, values):
        """Write scalars, dict tag -> number."""
        scalars = [
            tf.Summary.Value(tag=tag, simple_value=float(value)) for tag, value in values.items()
        ]
        self._write(step, summary=tf.Summary(value=scalars))

    def _write(self, step, **content):
        """Write one event; the first one opens the file."""
        try:
            if not self._begun:
                self._begun = True
                self._open()
            if self._file:
                self._file.write(step, **content)
        except (OSError, tf.errors.OpError) as error:
            self._give_up(error)

    def _open(self):
        """Cut the files of the run back to the step it continues from, and open a new one."""
        event_files.cut(self._directory, self._first, self._say)
        self._file = event_files.Writer(self._directory, self._first)
        if self._first == 0:
            self._write_graph()
        # Tells a running TensorBoard to drop the steps that are trained again.
        self._file.write(self._first + 1, session_log=tf.SessionLog(status=tf.SessionLog.START))

    def _write_graph(self):
        try:
            graph = draw_graph(self._config)
        except Exception as error:  # the scalars are written even if the drawing fails
            reason = checkpoint.first_line(error)
            what = f"no graph for TensorBoard ({reason}); scalars are written"
            self._say(f"warning: {self._file.path}: {what}")
        else:
            self._file.write(0, graph_def=graph)

    def _give_up(self, error):
        self._file = None
        reason = checkpoint.first_line(error)
        what = f"no more event files for TensorBoard ({reason}); training continues"
        self._say(f"warning: {self._directory}: {what}")


def draw_graph(config: Config) -> bytes:
    """Return the training graph of a Config as a GraphDef, in the name scopes of the diagram.

    It has one tower and no condition around Adam, because TensorBoard draws neither clearly.
    """
    explained = lines.explain(dataclasses.replace(config, on_nonfinite="stop"))
    return blocks.scoped(explained, diagram.of(explained)).SerializeToString()


def _loss_scalars(losses):
    scalars = {}
    for name, loss in losses.items():
        clipped = min(max(loss, CLIP_FLOOR), CLIP_CEILING)
        scalars[f"loss/{name}/raw_ce"] = loss
        scalars[f"loss/{name}/log"] = np.log(clipped)
        scalars[f"loss/{name}/at_floor"] = loss <= CLIP_FLOOR
    return scalars


def _evaluation_scalars(row):
    """Return dict tag -> number, without the metrics that are None."""
    scalars = {
        "accuracy/sequence": row["sequence_accuracy"],
        "accuracy/character": row["character_accuracy"],
        "coverage_at_98": row["coverage_at_98"],
        "validation/cost": row["cost"],
    }
    for name, accuracy in row["task_accuracy"].items():
        scalars[f"accuracy/{name}"] = accuracy
    for name, loss in row["task_cross_entropy"].items():
        scalars[f"validation/{name}/raw_ce"] = loss
    return {tag: value for tag, value in scalars.items() if value is not None}


def _image(images: np.ndarray, truths: Sequence[str], numbers: Sequence[str | None]):
    """Return a sheet of images, each with its label and prediction, as a value of a summary."""
    captions = [
        sheet.compared(decoding.written(truth), decoding.written(number))
        for truth, number in zip(truths, numbers)
    ]
    drawn = sheet.draw(images, captions, columns=6, marks=metrics.correct(numbers, truths).tolist())
    encoded = io.BytesIO()
    drawn.save(encoded, format="JPEG", quality=90)  # a tenth of the size of a PNG
    image = tf.Summary.Image(
        height=drawn.height,
        width=drawn.width,
        colorspace=3,
        encoded_image_string=encoded.getvalue(),
    )
    return tf.Summary.Value(tag="validation/read", image=image)
