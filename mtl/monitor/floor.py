"""Counts the steps with a task at the floor of the clip, over all processes of a run.

Each evaluation stores it as "steps_at_floor" under "monitor": the number of steps so far in which
the mean loss of at least one task was at most --clip_min. A continued run stores the same numbers,
because monitor.json has the count of each of the last checkpoints. A count is written before its
checkpoint. A process that is killed between the two trains the steps again, and counts them again.

If monitor.json is damaged, or has no count of the checkpoint that a run continues from, the count
is not known: it is None until the end of the run. Runs of earlier versions have no such file.
"""

import json
import os
from collections.abc import Mapping

from mtl import checkpoint
from mtl.errors import DataError
from mtl.runs import files

KEY = "steps_at_floor"
LAST = checkpoint.KEEP + 1  # counts in the file: of all checkpoints, and of one that is being saved
LARGEST = 1 << 16  # bytes of the file


class Floor:
    """Counts steps, and remembers the count of each checkpoint."""

    def __init__(self, clip_min: float, directory: str, first: int):
        """Read the count of the step that the run continues from.

        Args:
          clip_min: the floor.
          directory: the run directory.
          first: that step, 0 for a new run.

        Raises:
          DataError: monitor.json exists and cannot be read.
        """
        self._clip_min = clip_min
        self._saved = _read(os.path.join(directory, checkpoint.MONITOR), first)
        self.count = self._saved.get(first) if first else 0  # None if it is not known

    def each_step(self, losses: Mapping[str, float]) -> None:
        """Count a training step; losses: dict task name -> float, the mean losses."""
        if self.count is not None:
            # Not min(losses): one of them may be NaN, in a step that is skipped.
            self.count += any(loss <= self._clip_min for loss in losses.values())

    def texts(self, step: int) -> dict[str, str]:
        """Return monitor.json as dict file name -> text, for the checkpoint of a step."""
        if self.count is not None:
            self._saved[step] = self.count
        self._saved = {each: self._saved[each] for each in sorted(self._saved)[-LAST:]}
        return {checkpoint.MONITOR: json.dumps({KEY: self._saved}) + "\n"}


def _read(path, up_to):
    """Return dict step -> count up to a step; {} if the file is missing or damaged."""
    try:
        counts = json.loads(files.read_text(path, LARGEST))[KEY]
        counts = {int(step): count for step, count in counts.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        cure = f"remove it: the run then continues without {KEY}"
        raise DataError(f"{path}: cannot be read ({error.strerror}); {cure}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    valid = [step for step, count in counts.items() if type(count) is int and 0 <= count <= step]
    return {step: counts[step] for step in valid if step <= up_to}
