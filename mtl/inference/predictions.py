"""Predictions, as the objects that `mtl predict --json` prints."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mtl import kinds, tasks
from mtl.data import batches
from mtl.inference import calibration, decoding, reading
from mtl.kinds import finite


def predictions(
    network: reading.Reads,
    names: Sequence[str | int],
    inputs: Sequence[np.ndarray],
    *,
    key: str = "file",
    views: int = 1,
    temperature: float = 1.0,
) -> list[dict[str, Any]]:
    """Predict the numbers in images, or the tasks of another network.

    Args:
      network: the network, such as network.Network.
      names: n file names, or indices.
      inputs: n arrays of the shape network.inputs.shape; images.window makes one from an image.
      key: what names are: "file" or "index".
      views: the number of views of each image to average, see reading.read. Only for numbers.
      temperature: calibrates the probabilities, see calibration.calibrate. Only for numbers.

    Returns:
      n dicts: {key: name, ...} and the keys of `number`, or {key: name, "tasks": {task name:
      prediction}} with the predictions of mtl/kinds.

    Raises:
      ValueError: an input has another type or shape, or names and inputs differ in number.
    """
    if len(names) != len(inputs):
        raise ValueError(f"{len(names)} names and {len(inputs)} inputs; pass one input a name")
    if not len(names):
        return []
    whole = network.inputs._replace(crop=0)
    for name, one in zip(names, inputs):
        batch = one[None] if isinstance(one, np.ndarray) else one
        batches.check_inputs(batch, whole, f"the input of {name}")
    outputs = reading.read(network, np.stack(inputs), count=views)
    if tasks.is_numbers(network.tasks):
        found = _numbers(outputs, temperature)
    else:
        found = _of_tasks(outputs, network.tasks)
    return [{key: name, **each} for name, each in zip(names, found)]


def _of_tasks(outputs, network_tasks):
    """Return {"tasks": {task name: prediction}} of each example."""
    count = len(outputs[network_tasks[0].name])
    found = [{"tasks": {}} for _ in range(count)]
    for task in network_tasks:
        kind = kinds.find(task.kind)
        for each, row in zip(found, outputs[task.name]):
            each["tasks"][task.name] = kind.prediction(row, task)
    return found


def _numbers(log_probs, temperature):
    """Return `number` of each example."""
    decoded, confidences = decoding.joint(log_probs, temperature)
    log_probs = calibration.calibrate(log_probs, temperature)
    found = []
    for i, (text, confidence) in enumerate(zip(decoded, confidences)):
        found.append(number(text, confidence, {name: rows[i] for name, rows in log_probs.items()}))
    return found


def number(text: str | None, confidence: float, log_probs: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the object that is printed for the number in one image, without the file.

    Args:
      text: digits, or None for more than five.
      confidence: float in 0..1, of the decoded number.
      log_probs: dict task name -> float32 [classes], of this image.

    Returns:
      dict of number, confidence, length (7 probabilities) and digits (5 lists of 11). A value that
      is not finite is None.
    """
    probabilities = {}
    for name, row in log_probs.items():
        probabilities[name] = [finite(each) for each in np.exp(np.asarray(row, np.float64))]
    names = [tasks.digit_name(position) for position in range(1, tasks.DIGITS + 1)]
    return {
        "number": text,
        "confidence": finite(confidence),
        "length": probabilities["length"],
        "digits": [probabilities[name] for name in names],
    }
