"""The progress line of a training run: its speed, the time left, and the loss of each task."""

import contextlib
import time

from mtl.config import Config
from mtl.objectives.log_sum import CLIP_FLOOR


class Progress:
    """Writes progress lines."""

    def __init__(self, config: Config, write):
        """Create a progress line. The first one has no speed.

        Args:
          config: Config of the run.
          write: function str -> None.
        """
        self._config, self._write = config, write
        self._timed = None  # (step, seconds) of the last line

    def __call__(self, step, cost, losses, *batch):
        """Write one line; see train.Callbacks.progress.

        Args:
          step: int, steps done.
          cost: float.
          losses: dict task name -> float, before any clip or log. A task at the floor of the clip
            is marked, because it has no gradient there.
          *batch: ignored.
        """
        now = time.monotonic()
        parts = [f"step {step}/{self._config.steps}"]
        if self._timed:
            last_step, then = self._timed
            rate = (step - last_step) / (now - then)
            minutes, seconds = divmod(round((self._config.steps - step) / rate), 60)
            parts.append(f"{rate * self._config.batch_size:.0f} images/s")
            parts.append(f"{minutes}:{seconds:02d} left")
        self._timed = step, now
        parts.append(f"cost {cost:.3f}")
        for name, loss in losses.items():
            floor = " (AT FLOOR)" if loss <= CLIP_FLOOR else ""
            parts.append(f"{name} {loss:.3f}{floor}")
        self._write("  ".join(parts))

    @contextlib.contextmanager
    def paused(self):
        """Exclude the time of the block from the speed."""
        start = time.monotonic()
        yield
        if self._timed:
            step, then = self._timed
            self._timed = step, then + (time.monotonic() - start)
