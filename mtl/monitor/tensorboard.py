"""TensorBoard events of a run: scalars, validation images with predictions, and the graph.

Every config.log_every steps:
    cost                                on the labels of training, which may be smoothed
    lr, examples_per_sec
    loss/TASK/raw_ce, log, at_floor     the mean loss, its clipped logarithm, 1 at the clip's floor
    grad_norm/shared/TASK               the gradient norm of the task's term of the cost at the
                                        shared features
At each evaluation of numbers:
    accuracy/sequence, character, TASK
    validation/cost, validation/TASK/raw_ce     on hard labels
    coverage_at_98                      the largest share of examples with 98% correct
    validation/read                     an image of predictions

    monitor/...                         see combination.py, floor.py

Other tasks than numbers have loss/TASK/mean instead of raw_ce, and at each evaluation:
    validation/score, exact_match, cost
    validation/TASK/loss, METRIC/TASK   such as accuracy/digit, r2/height
    validation/predictions              an image, or a text for feature vectors

With more than MANY tasks there are no gradient norms and no graph: for 200 tasks they would take
a minute to build, and TensorBoard cannot show them well.
"""

import dataclasses
import io
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import checkpoint, kinds, train
from mtl.config import Config
from mtl.data.examples import Examples, select
from mtl.explain import blocks, diagram, lines
from mtl.inputs import Inputs
from mtl.monitor import event_files, floor
from mtl.reports import captions, sheet
from mtl.run_files import Run
from mtl.tasks import Task, is_numbers

SHOWN = 24  # examples of validation shown at each evaluation
COLUMNS = 12  # tasks in the table of predictions
MANY = 50


class Events:
    """Writes the events of a run. If a write fails, it warns once and writes no more events."""

    def __init__(self, run: Run, directory: str, first: int, say: Callable[[str], Any]):
        """Store the settings. The file is created later, so a run that fails to start leaves none.

        Args:
          run: run_files.Run.
          directory: str, the run directory.
          first: int, the step that the run continues from, 0 for a new run.
          say: function str -> None, called with warnings.
        """
        self._run, self._directory, self._first, self._say = run, directory, first, say
        self._begun = False
        self._file = None
        self._timed = None  # (step, seconds) of the last step; None after an evaluation
        self._is_large = len(run.tasks) > MANY

    def watch(self, session: Any, graph: train.Graph) -> None:
        """Add the gradient norms and the learning rate to a training graph.

        Args:
          session: tf.Session of the run.
          graph: train.Graph.
        """
        self._session, self._graph = session, graph
        with tf.name_scope("tensorboard"):
            self._global_step = graph.step.value()
            self._fetched = {"lr": tf.convert_to_tensor(graph.rate)}
            terms = {} if self._is_large else graph.terms
            for name, term in terms.items():
                (gradient,) = tf.gradients(term, graph.network.features)
                if gradient is not None:  # an objective of the user may have other terms
                    self._fetched[f"grad_norm/shared/{name}"] = tf.norm(gradient)

    def step(
        self,
        step: int,
        cost: float,
        losses: Mapping[str, float],
        inputs: np.ndarray,
        labels: Mapping[str, np.ndarray],
    ) -> None:
        """Write the scalars of a training step.

        Args:
          step: int.
          cost: float.
          losses: dict task name -> float, the mean loss, before any clip or log.
          inputs: the batch of this step, see train.Graph. The gradient norms are computed on it
            with the updated weights.
          labels: dict task name -> array [batch].
        """
        now = time.monotonic()
        feeds = {self._graph.inputs: inputs}
        for name, placeholder in self._graph.labels.items():
            feeds[placeholder] = labels[name]
        of_losses = _loss_scalars(losses, self._run)
        values = {"cost": cost, **self._session.run(self._fetched, feeds), **of_losses}
        if self._timed:
            last_step, then = self._timed
            examples = (step - last_step) * self._run.config.batch_size
            values["examples_per_sec"] = examples / (now - then)
        self._timed = step, time.monotonic()
        self._write_scalars(step, values)

    def evaluated(
        self, row: Mapping[str, Any], examples: Examples, outputs: Mapping[str, np.ndarray]
    ) -> None:
        """Write an evaluation on validation: its metrics, and the first examples with predictions.

        Args:
          row: dict, an entry of metrics.jsonl.
          examples: Examples.
          outputs: dict task name -> float32 [n, task.outputs].
        """
        tasks = self._run.tasks
        step = int(self._session.run(self._global_step))
        self._timed = None  # the time of an evaluation is not training time
        scalars = _scalars_of_numbers(row) if is_numbers(tasks) else _scalars_of_tasks(row, tasks)
        scalars.update(_scalars_of_monitor(row.get("monitor", {})))
        self._write_scalars(step, {tag: x for tag, x in scalars.items() if x is not None})
        first = select(examples, range(min(SHOWN, len(examples.inputs))))
        rows = {name: each[:SHOWN] for name, each in outputs.items()}
        draw = _image if self._run.inputs.is_images else _table
        self._write(step, summary=tf.Summary(value=[draw(rows, first, tasks)]))

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
        if self._first == 0 and not self._is_large:
            self._write_graph()
        # Tells a running TensorBoard to drop the steps that are trained again.
        self._file.write(self._first + 1, session_log=tf.SessionLog(status=tf.SessionLog.START))

    def _write_graph(self):
        try:
            graph = draw_graph(self._run.config, self._run.tasks, self._run.inputs)
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


def draw_graph(config: Config, tasks: Sequence[Task], inputs: Inputs) -> bytes:
    """Return the training graph of a run as a GraphDef, in the name scopes of the diagram.

    It has one tower and no condition around Adam, because TensorBoard draws neither clearly.
    """
    config = dataclasses.replace(config, on_nonfinite="stop")
    explained = lines.explain(config, tasks=tasks, inputs=inputs)
    return blocks.scoped(explained, diagram.of(explained)).SerializeToString()


def _loss_scalars(losses, run):
    """Return dict tag -> number for the mean losses of a step."""
    config = run.config
    mean = "raw_ce" if is_numbers(run.tasks) else "mean"
    scalars = {}
    for name, loss in losses.items():
        clipped = min(max(loss, config.clip_min), config.clip_max)
        scalars[f"loss/{name}/{mean}"] = loss
        scalars[f"loss/{name}/log"] = np.log(clipped)
        scalars[f"loss/{name}/at_floor"] = loss <= config.clip_min
    return scalars


def _scalars_of_numbers(row):
    """Return dict tag -> number or None."""
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
    return scalars


def _scalars_of_tasks(row, tasks):
    """Return dict tag -> number or None."""
    scalars = {f"validation/{name}": row[name] for name in ("score", "exact_match", "cost")}
    for task in tasks:
        for metric in kinds.find(task.kind).METRICS:
            tag = f"{metric}/{task.name}"
            if metric == "loss":  # loss/... are those of training
                tag = f"validation/{task.name}/loss"
            scalars[tag] = row["tasks"][task.name][metric]
    return scalars


def _scalars_of_monitor(entry):
    """Return dict tag -> number or None; entry: see combination.py, floor.py."""
    scalars = {f"monitor/{floor.KEY}": entry.get(floor.KEY)}
    for tag, key in (("weight", "weights"), ("grad_norm", "gradient_norms"), ("cosine", "cosines")):
        for name, value in entry.get(key, {}).items():
            scalars[f"monitor/{tag}/{name.replace(' ', '_')}"] = value
    return scalars


def _image(outputs, examples, tasks):
    """Return a sheet of images, each with its label and prediction, as a value of a summary."""
    numbers = is_numbers(tasks)
    drawn = sheet.draw(
        examples.inputs,
        captions.compared(outputs, examples, tasks),
        columns=6,
        marks=captions.marks(outputs, examples, tasks),
        cell=sheet.CELL if numbers else sheet.WIDE,
    )
    encoded = io.BytesIO()
    drawn.save(encoded, format="JPEG", quality=90)  # a tenth of the size of a PNG
    image = tf.Summary.Image(
        height=drawn.height,
        width=drawn.width,
        colorspace=3,
        encoded_image_string=encoded.getvalue(),
    )
    return tf.Summary.Value(tag=f"validation/{'read' if numbers else 'predictions'}", image=image)


def _table(outputs, examples, tasks):
    """Return a table of labels and predictions in Markdown, as a value of a summary."""
    shown = tasks[:COLUMNS]
    rows = [["example", *(task.name for task in shown)], ["---"] * (len(shown) + 1)]
    for index, name in enumerate(examples.names):
        cells = [name.replace("|", "\\|")]
        for task in shown:
            kind = kinds.find(task.kind)
            label = kind.written(examples.labels[task.name][index], task)
            predicted = kind.predicted(outputs[task.name][index], task)
            cells.append(f"{predicted} (true {label})" if label else predicted)
        rows.append(cells)
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    plugin = tf.SummaryMetadata.PluginData(plugin_name="text")
    return tf.Summary.Value(
        tag="validation/predictions",
        metadata=tf.SummaryMetadata(plugin_data=plugin),
        tensor=tf.make_tensor_proto(text.encode()),
    )
