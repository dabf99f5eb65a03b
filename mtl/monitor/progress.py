"""The progress line of a training run: its speed, the time left, and the loss of each task."""

import contextlib
import time

from mtl.config import Config

# Seconds until the first timed line, and between two lines.
FIRST = 1.0
AGAIN = 10.0
ALL = 6  # the most tasks on a line; of more tasks a line shows the WORST
WORST = 4


class Progress:
    """Writes progress lines."""

    def __init__(self, config: Config, write, *, timed=False, examples=0):
        """Create a progress line.

        Args:
          config: Config of the run.
          write: function str -> None.
          timed: bool, whether `each_step` writes lines, so that a terminal shows progress before
            the next multiple of --log_every.
          examples: int, of validation, for the time that the evaluations to come will take; 0 if
            nothing is evaluated.
        """
        self._config, self._write, self._timed = config, write, timed
        self._examples = examples
        self._evaluation = None  # seconds that the last evaluation took
        self._since = None  # (step, seconds) of the last line, or of the first step
        self._wait = FIRST

    def each_step(self, step, cost, losses):
        """Write a line if none was written for some seconds. Call it after every step.

        Args: as `__call__`.
        """
        now = time.monotonic()
        if self._since is None:
            # The speed is measured from the end of the first step, which takes longer.
            self._since = step, now
        elif self._timed and step > self._since[0] and now - self._since[1] >= self._wait:
            # A step that has its line may end seconds later: event files are written in between.
            self(step, cost, losses)

    def __call__(self, step, cost, losses, *batch):
        """Write one line; see train.Callbacks.progress. At the first step it has no speed.

        Args:
          step: int, steps done.
          cost: float.
          losses: dict task name -> float, before any clip or log, of the tasks with a label in the
            batch. A task at the floor of the clip is marked, because it has no gradient there.
          *batch: ignored.
        """
        now = time.monotonic()
        parts = [f"step {step}/{self._config.steps}"]
        if self._since and step > self._since[0]:
            last_step, then = self._since
            self._wait = AGAIN
            rate = (step - last_step) / (now - then)
            minutes, seconds = divmod(round(self._seconds_left(step, rate)), 60)
            unit = "images" if self._config.is_numbers else "examples"
            parts.append(f"{rate * self._config.batch_size:.0f} {unit}/s")
            parts.append(f"{minutes}:{seconds:02d} left")
        self._since = step, now
        parts.append(f"cost {cost:.3f}")
        shown = list(losses)
        if len(shown) > ALL:
            shown = sorted(losses, key=losses.get, reverse=True)[:WORST]
            parts.append(f"largest of {len(losses)} losses:")
        for name in shown:
            floor = " (AT FLOOR)" if losses[name] <= self._config.clip_min else ""
            parts.append(f"{name} {losses[name]:.3f}{floor}")
        self._write("  ".join(parts))

    @contextlib.contextmanager
    def paused(self):
        """Exclude an evaluation from the speed, and use its time for those to come."""
        start = time.monotonic()
        yield
        self._evaluation = time.monotonic() - start
        if self._since:
            step, then = self._since
            self._since = step, then + self._evaluation

    def _seconds_left(self, step, rate):
        """Return the seconds that the steps and evaluations after a step will take.

        Args:
          step: int, steps done. If this step has an evaluation, it has not run yet.
          rate: float, steps a second.
        """
        config = self._config
        seconds = (config.steps - step) / rate
        if not self._examples:
            return seconds
        each = self._evaluation
        if each is None:
            # Before the first evaluation: a forward pass takes a third of a training step. The
            # temperature of several views has passes of its own.
            passes = 1 + (config.views if config.is_numbers and config.views > 1 else 0)
            each = passes * self._examples / (3 * rate * config.batch_size)
        # Every multiple of save_every before the last step, and the last step; see loop.due_steps.
        before = (config.steps - 1) // config.save_every - (step - 1) // config.save_every
        return seconds + (before + 1) * each
