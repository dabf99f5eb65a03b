"""What the records of a folder contain: their tasks, and the size of their images.

The manifest of own tasks has "tasks" (as --tasks), "shape" (of an image) and "scales" (mean and
standard deviation of real tasks in train), so that training starts without a pass over the data.
Without "tasks", the records have numbers.
"""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from mtl import inputs as inputs_lib, tasks as tasks_lib
from mtl.data.csv_files import missing
from mtl.data.examples import numbers_inputs
from mtl.data.records.manifest import CURE, MANIFEST, read_manifest
from mtl.errors import DataError, shown
from mtl.inputs import Inputs
from mtl.tasks import NUMBER_TASKS, Task

_SAME = "use the same --tasks in mtl convert and mtl train"


class Content(NamedTuple):
    """The tasks of some records with their scales, and the inputs that they give."""

    tasks: tuple[Task, ...] = NUMBER_TASKS
    inputs: Inputs = inputs_lib.NUMBERS

    @property
    def is_numbers(self) -> bool:
        """Whether the labels are numbers."""
        return tasks_lib.is_numbers(self.tasks)


NUMBERS = Content()


def to_json(content: Content) -> dict[str, Any]:
    """Return the entries of the manifest: {} for numbers."""
    if content.is_numbers:
        return {}
    scales = {task.name: [task.mean, task.std] for task in content.tasks}
    text = tasks_lib.text(content.tasks)
    return {"tasks": text, "scales": scales, "shape": list(content.inputs.shape)}


def read(data_dir: str, tasks: Sequence[Task] = NUMBER_TASKS, window: int = 0) -> Content:
    """Return the Content of a folder, with only the tasks asked for.

    Args:
      data_dir: the folder that mtl convert wrote.
      tasks: their scales are replaced by those of the records.
      window: of numbers, see examples.numbers_inputs. Other images have the size of the manifest.

    Raises:
      DataError: the manifest is missing or wrong, or has no such task.
    """
    path = os.path.join(data_dir, MANIFEST)
    manifest = read_manifest(data_dir)
    if "tasks" not in manifest:
        if not tasks_lib.is_numbers(tasks):
            what = f"the records have numbers, not the tasks {tasks_lib.text(tasks)[:200]}"
            raise DataError(f"{shown(path)}: {what}; {_SAME}")
        return Content(NUMBER_TASKS, numbers_inputs(window))
    try:
        found = _parse(manifest)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        text = " ".join(str(error).split())[:200]
        raise DataError(f"{shown(path)}: damaged ({text}); {CURE}") from None
    if tasks_lib.is_numbers(tasks):
        text = tasks_lib.text(found.tasks)[:200]
        what = f"the records have the tasks {text}, not numbers"
        raise DataError(f"{shown(path)}: {what}; {_SAME}")
    return found._replace(tasks=tuple(_task(path, task, found.tasks) for task in tasks))


def _parse(manifest):
    """Return the Content in a manifest; raise ValueError, KeyError, ... if it is malformed."""
    tasks = []
    for task in tasks_lib.parse(manifest["tasks"]):
        mean, std = manifest["scales"][task.name]
        tasks.append(task._replace(mean=mean, std=std))
    tasks_lib.check(tasks)
    inputs = inputs_lib.check(Inputs(tuple(manifest["shape"]), 0))
    return Content(tuple(tasks), inputs)


def _task(path, task, found):
    """Return the task of the records that a task asks for, with its scale."""
    for other in found:
        if other.name == task.name:
            if (other.kind, other.outputs) == (task.kind, task.outputs):
                return other
            was = f"{other.name}:{tasks_lib.spec(other)}"
            what = f"the records have the task {was}, not {task.name}:{tasks_lib.spec(task)}"
            raise DataError(f"{shown(path)}: {what}; {_SAME}")
    names = [other.name for other in found]
    raise missing(path, "task", task.name, names, _SAME)
