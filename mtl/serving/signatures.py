"""The signatures of a network: what an exported or served model takes and returns.

Every exporter and the server use these names, types and shapes.
"""

from collections.abc import Sequence
from typing import NamedTuple

from mtl import kinds, tasks as tasks_lib
from mtl.inputs import Inputs
from mtl.tasks import Task

DEFAULT = "serving_default"  # encoded images, or features
PIXELS = "pixels"  # images of the size of the run
STRING = "string"
# The number in text, where None is not possible: for more than five digits.
TOO_MANY = "X"


class Tensor(NamedTuple):
    """An input or an output, without the first dimension, which counts examples."""

    name: str
    dtype: str  # "string", or the name of a NumPy type
    shape: tuple[int, ...] = ()


class Signature(NamedTuple):
    """One way to call a model."""

    input: Tensor
    outputs: tuple[Tensor, ...]


def of(tasks: Sequence[Task], inputs: Inputs) -> dict[str, Signature]:
    """Return the signatures of a network by name, "serving_default" first.

    Args:
      tasks: sequence of Task.
      inputs: what the network takes.
    """
    outputs = outputs_of(tasks)
    if not inputs.is_images:
        return {DEFAULT: Signature(Tensor("features", inputs.dtype, inputs.shape), outputs)}
    return {
        DEFAULT: Signature(Tensor("images", STRING), outputs),
        PIXELS: Signature(Tensor(PIXELS, inputs.dtype, inputs.shape), outputs),
    }


def outputs_of(tasks: Sequence[Task]) -> tuple[Tensor, ...]:
    """Return the outputs of a network: a number and its probabilities, or those of each task.

    The outputs of a task are TASK_class and TASK_probabilities, or others of its kind; see
    `served` in mtl/kinds.
    """
    if tasks_lib.is_numbers(tasks):
        length, *digits = tasks
        return (
            Tensor("number", STRING),
            Tensor("confidence", "float32"),
            Tensor("length", "float32", (length.outputs,)),
            Tensor("digits", "float32", (len(digits), digits[0].outputs)),
        )
    found = []
    for task in tasks:
        for key, (dtype, shape) in kinds.find(task.kind).served(task).items():
            found.append(Tensor(f"{task.name}_{key}", dtype, shape))
    return tuple(found)
