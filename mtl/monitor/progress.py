"""The progress line of a training: how fast, how long still, and how each task stands."""

import contextlib
import time

from mtl.config import Config


class Progress:
    """Write progress lines by a monotonic clock that can be stopped while something other than training is done."""

    def __init__(self, config: Config, write):
        """Begin with the first call.

        Args:
          config: Config of the run.
          write: function str -> None.
        """
        self._config, self._write, self._step = config, write, None

    def __call__(self, step, cost, cross_entropies, *batch):
        """Write one line.

        Args:
          step: int, steps done.
          cost: float.
          cross_entropies: dict task name -> float, raw: neither clipped nor logged. One at the clip's floor is marked, for its task
            has no gradient any more.
          *batch: what was trained on; not looked at.
        """
        # TensorFlow is there already where something trains; nothing else of this package's commands has to wait for it.
        from mtl.losses import CLIP_FLOOR

        now = time.monotonic()
        line = f"step {step}/{self._config.steps}"
        if self._step is not None:
            rate = (step - self._step) / (now - self._since)
            minutes, seconds = divmod(round((self._config.steps - step) / rate), 60)
            line += f"  {rate * self._config.batch_size:.0f} images/s  {minutes}:{seconds:02d} left"
        self._step, self._since = step, now
        tasks = [
            f"{name} {value:.3f}" + " (AT FLOOR)" * bool(value <= CLIP_FLOOR)
            for name, value in cross_entropies.items()
        ]
        self._write("  ".join([line, f"cost {cost:.3f}", *tasks]))

    @contextlib.contextmanager
    def paused(self):
        """Leave out of the speed what happens in the block."""
        start = time.monotonic()
        yield
        if self._step is not None:
            self._since += time.monotonic() - start
