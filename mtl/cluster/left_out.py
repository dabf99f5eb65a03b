"""Which workers the steps of --backup_workers went on without: counts and messages."""

import time

SECONDS = 5.0  # between messages


class LeftOut:
    """Counts the steps without each worker, and reports them from time to time."""

    def __init__(self, names, say, seconds=SECONDS, now=time.monotonic):
        """Start with no step.

        Args:
          names: list of str, of all workers, the chief first.
          say: function str -> any.
          seconds: float, the least time between two messages.
          now: function () -> float, seconds.
        """
        self.counts = [0] * len(names)
        self.steps = 0
        self._names, self._say, self._seconds, self._now = names, say, seconds, now
        self._said = -float("inf")

    def after(self, step, found):
        """Count a step and return it, see loop.Others; found: [taking], see backup.Exchange."""
        (taking,) = found
        self.steps += 1
        for number, takes_part in enumerate(taking):
            self.counts[number] += not takes_part
        if not all(taking) and self._now() - self._said >= self._seconds:
            self._said = self._now()
            late = [self._text(number) for number, each in enumerate(taking) if not each]
            self._say(f"step {step}: without {', '.join(late)}")
        return step

    def end(self):
        """Report the counts of all steps, if a worker was left out."""
        late = [f"{name} in {count:,}" for name, count in zip(self._names, self.counts) if count]
        if late:
            self._say(f"{self.steps:,} steps, without {', '.join(late)} of them")

    def _text(self, number):
        count = self.counts[number]
        return f"{self._names[number]} ({count:,} time{'s' if count > 1 else ''} so far)"
