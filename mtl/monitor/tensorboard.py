"""Event files for TensorBoard: scalars of the training and of each evaluation, pictures with what was read on them, the graph.

Written record by record, by the thread that trains, so that an error is met where it can be told, and a killed run leaves at most half a
record. A run that is continued cuts what lies beyond its step, and goes on in a file of its own: a TensorBoard that is open sees both.
"""

import dataclasses
import io
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import checkpoint, losses, train
from mtl.config import Config
from mtl.data.examples import Examples
from mtl.evaluation import metrics
from mtl.inference import decoding
from mtl.reports import sheet
from mtl.runs import files

PREFIX = "events.out.tfevents."  # TensorBoard looks for tfevents in the name
# Other programs end the name with that of the host.
OURS = re.compile(re.escape(PREFIX) + r"\d{10}(-\d+)?")
_FRAME = 16  # bytes around a record: its length and two checksums
PICTURES = 24  # of validation, drawn at each evaluation


def cut(directory: str, step: int, say: Callable[[str], Any]) -> None:
    """Cut the event files of a run directory back to a step.

    A file without any value is removed, and a damaged end is cut off. Files that this module did not
    name are never changed, nor is one that cannot be read.

    Args:
      directory: str.
      step: int, the last one whose values are kept.
      say: function str -> None, called with a warning for each file that cannot be read.

    Raises:
      OSError: a file cannot be written.
    """
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    for path in (os.path.join(directory, name) for name in names if OURS.fullmatch(name)):
        if not os.path.isfile(path):
            continue  # a pipe would be waited for
        try:
            records = _records(path)
        except (OSError, tf.errors.OpError) as error:
            reason = checkpoint.first_line(error)
            say(f"warning: {path}: cannot be read ({reason}); it is left as it is")
            continue
        kept = [record for record, event in records if event.step <= step]
        if not any(event.HasField("summary") for _, event in records if event.step <= step):
            os.remove(path)
        elif sum(len(record) + _FRAME for record in kept) < os.path.getsize(path):
            with files.whole(path) as unfinished, tf.io.TFRecordWriter(unfinished) as writer:
                for record in kept:
                    writer.write(record)


def _records(path):
    """Return the records of an event file as (bytes, tf.Event), up to its end or to damage.

    Raises:
      OSError, tf.errors.OpError: it cannot be read, or it does not even begin as an event file.
    """
    found = []
    try:
        for record in tf.io.tf_record_iterator(path):
            found.append((record, tf.Event.FromString(record)))
    except (OSError, tf.errors.OpError) as error:
        if not found or not isinstance(error, tf.errors.DataLossError):
            raise
    except Exception as error:  # protobuf's error has no name in compat.v1
        if not found:
            raise OSError("not an event file") from error
    return found


class Events:
    """What a run writes for TensorBoard. Where it cannot be written, that is said once, and the run goes on without."""

    def __init__(self, config: Config, directory: str, first: int, say: Callable[[str], Any]):
        """Do nothing yet: a run that cannot start leaves nothing behind. With the first values, what is there is cut back and a file begun.

        Args:
          config: Config of the run.
          directory: str, its run directory.
          first: int, the step it continues from, 0 of a new one.
          say: function str -> None.
        """
        self._config, self._directory, self._first, self._say = config, directory, first, say
        self._begun, self._writer, self._step = False, None, None

    def _begin(self):
        """Cut what is there back, and begin a file."""
        self._begun, first = True, self._first
        try:
            cut(self._directory, first, self._say)
            graph = {"graph_def": _graph(self._config)} if first == 0 else {}
            self._writer = tf.io.TFRecordWriter(
                files.free(os.path.join(self._directory, f"{PREFIX}{first:010d}"))
            )
        except (OSError, tf.errors.OpError, LookupError) as error:
            return self._give_up(error)
        self._write(first, file_version="brain.Event:2")
        if graph:
            self._write(0, **graph)
        # An open TensorBoard forgets what it has seen of the steps that are done again.
        self._write(first + 1, session_log=tf.SessionLog(status=tf.SessionLog.START))

    def watch(self, session: Any, graph: train.Graph) -> None:
        """Add to a training graph what is measured beside it: the gradient that each task sends into the features, the learning rate."""
        config, self._session, self._inputs = (
            self._config,
            session,
            [graph.images, *graph.labels.values()],
        )
        self._global_step = graph.step.value()
        with tf.name_scope("tensorboard"):
            means = graph.cross_entropies
            weights = tf.gradients(
                losses.OBJECTIVES_OF_MEANS[config.objective](means.values()), list(means.values())
            )
            top = session.graph.get_operation_by_name(f"{next(iter(means))}/MatMul")
            pulls = [
                weight * tf.gradients(mean, top.inputs[0])[0]
                for mean, weight in zip(means.values(), weights)
            ]
            rate = train.learning_rate(
                config.learning_rate, config.schedule, graph.step, config.steps
            )
            self._fetched = {
                f"grad_norm/shared/{name}": tf.norm(pull) for name, pull in zip(means, pulls)
            }
            self._fetched["lr"] = tf.convert_to_tensor(rate)

    def step(
        self,
        step: int,
        cost: float,
        cross_entropies: Mapping[str, float],
        images: np.ndarray,
        labels: Mapping[str, np.ndarray],
    ) -> None:
        """Write the scalars of a training step; the gradients are those of its batch after it.

        Args:
          step: int.
          cost: float.
          cross_entropies: dict task name -> float, raw.
          images: uint8 [batch, crop, crop, 3].
          labels: dict task name -> int32 [batch].
        """
        now = time.monotonic()
        values = {
            "cost": cost,
            **self._session.run(self._fetched, dict(zip(self._inputs, [images, *labels.values()]))),
        }
        for name, raw in cross_entropies.items():
            clipped = min(max(raw, losses.CLIP_FLOOR), losses.CLIP_CEILING)
            values |= {
                f"loss/{name}/raw_ce": raw,
                f"loss/{name}/log": np.log(clipped),
                f"loss/{name}/at_floor": raw <= losses.CLIP_FLOOR,
            }
        if self._step is not None:
            values["examples_per_sec"] = (
                (step - self._step) * self._config.batch_size / (now - self._since)
            )
        self._step, self._since = step, time.monotonic()
        self._scalars(step, values)

    def evaluated(
        self, row: Mapping[str, Any], examples: Examples, log_probs: Mapping[str, np.ndarray]
    ) -> None:
        """Write an evaluation on validation, at the step where the training is: its metrics, and the first pictures with what was read.

        Args:
          row: dict as evaluate.measure returns it.
          examples: Examples.
          log_probs: dict task name -> float32 [n, classes].
        """
        step = int(self._session.run(self._global_step))
        self._step = None  # the time of an evaluation is not the training's
        values = {
            "accuracy/sequence": row["sequence_accuracy"],
            "accuracy/character": row["character_accuracy"],
        }
        values |= {"coverage_at_98": row["coverage_at_98"], "validation/cost": row["cost"]}
        for name in row["task_accuracy"]:
            values |= {
                f"accuracy/{name}": row["task_accuracy"][name],
                f"validation/{name}/raw_ce": row["task_cross_entropy"][name],
            }
        self._scalars(step, {name: value for name, value in values.items() if value is not None})
        seen = slice(0, PICTURES)
        numbers, _ = decoding.joint({name: rows[seen] for name, rows in log_probs.items()})
        self._write(
            step,
            summary=tf.Summary(
                value=[_pictures(examples.images[seen], examples.numbers[seen], numbers)]
            ),
        )

    def close(self) -> None:
        """End the file."""
        if self._writer:
            self._attempt(self._writer.close)

    def _scalars(self, step, values):
        """Write scalars (dict tag -> value) of a step."""
        self._write(
            step,
            summary=tf.Summary(
                value=[
                    tf.Summary.Value(tag=tag, simple_value=float(value))
                    for tag, value in values.items()
                ]
            ),
        )

    def _write(self, step, **what):
        """Write one event."""
        if not self._begun:
            self._begin()
        if self._writer:
            event = tf.Event(wall_time=time.time(), step=step, **what)
            self._attempt(
                lambda: (self._writer.write(event.SerializeToString()), self._writer.flush())
            )

    def _attempt(self, act):
        try:
            act()
        except (OSError, tf.errors.OpError) as error:
            self._give_up(error)

    def _give_up(self, error):
        self._writer = None
        self._say(
            f"warning: no more event files for TensorBoard ({checkpoint.first_line(error)}); the run goes on without"
        )


def _graph(config):
    """Return the training graph of a Config, as bytes of a GraphDef, its operations in the scopes of the diagram.

    It has one tower, and no branch around Adam where the run has one: TensorBoard would draw neither as the diagram.
    """
    from mtl.explain import blocks, diagram, lines

    explained = lines.explain(dataclasses.replace(config, on_nonfinite="stop"))
    return blocks.scoped(explained, diagram.of(explained)).SerializeToString()


def _pictures(images: np.ndarray, truths: Sequence[str], numbers: Sequence[str | None]):
    """Draw pictures, each with what it shows and what was read, as the value of a summary."""
    captions = [
        f"{truth or 'none'} > {decoding.written(number) or 'none'}"
        for truth, number in zip(truths, numbers)
    ]
    drawn = sheet.draw(images, captions, columns=6, marks=metrics.right(numbers, truths).tolist())
    encoded = io.BytesIO()
    drawn.save(
        encoded, format="JPEG", quality=90
    )  # a tenth of a PNG, and an evaluation writes one each
    picture = tf.Summary.Image(
        height=drawn.height,
        width=drawn.width,
        colorspace=3,
        encoded_image_string=encoded.getvalue(),
    )
    return tf.Summary.Value(tag="validation/read", image=picture)
