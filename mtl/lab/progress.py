"""What a comparison reports while it runs: a line for each finished run, and a status line."""

from collections.abc import Callable, Mapping, Sequence

from mtl.lab import results, work
from mtl.lab.grid import Run

EVERY = 1.0  # seconds between two status lines
_SOON = 0.02  # share of a run below which its speed is not known yet
_SHOWN = 2  # running runs that the status line names


class Progress:
    """Counts the runs of a comparison; see work.Events."""

    def __init__(
        self,
        folder: str,
        runs: Mapping[str, Run],
        parallel: int,
        say: Callable[[str], None],
        status: Callable[[str], None] | None,
        clock: Callable[[], float],
    ):
        """Create it.

        Args:
          folder: of the logs and the records.
          runs: name of a job -> its run.
          parallel: processes at a time.
          say: function that writes a line.
          status: function that replaces the status line of a terminal; None without a terminal.
          clock: function that returns seconds.
        """
        self._folder, self._runs, self._parallel = folder, runs, parallel
        self._say, self._status, self._clock = say, status, clock
        records = [work.record_of(folder, name) for name in runs]
        self._seconds = [each.seconds for each in records if each and each.is_final]
        self._done = len(self._seconds)
        self._last = -EVERY

    def ended(self, job: work.Job, ended: work.Ended) -> None:
        """Report a process that has ended."""
        self._done += 1
        self._seconds.append(ended.seconds)
        outcome = ended.error and f"exit code {ended.code}: {ended.error}"
        if not outcome:
            result = results.read(self._folder, self._runs[job.name])
            outcome = _outcome(job, result)
        time = minutes(ended.seconds)
        self._say(f"{self._done}/{len(self._runs)}  {job.name}  {outcome}  ({time})")

    def waiting(self, running: Sequence[tuple[work.Job, float]], to_come: int) -> None:
        """Show the status on a terminal, at most once a second."""
        if self._status is None or self._clock() - self._last < EVERY:
            return
        self._last = self._clock()
        states = []
        for job, seconds in running:
            began, done = results.progress_of(work.tail(work.log_of(self._folder, job.name)))
            states.append((job.name, seconds, began, done))
        self._status(self._text(states, to_come))

    def _text(self, states, to_come):
        """Return the status line; states: (name, seconds, share at its start, share done) each."""
        parts = [f"{self._done}/{len(self._runs)} runs"]
        if not states:
            parts.append("waiting for another process that trains one of them")
        parts += [f"{name} {done:.0%}" for name, _, _, done in states[:_SHOWN]]
        if len(states) > _SHOWN:
            parts.append(f"and {len(states) - _SHOWN} more")
        left = self._seconds_left(states, to_come)
        if left is not None:
            parts.append(f"about {minutes(left)} left")
        return "  ".join(parts)

    def _seconds_left(self, states, to_come):
        """Return about how many seconds are left; None before a speed is known."""
        known = {name: _estimate(*state) for name, *state in states}
        totals = self._seconds + [
            seconds + known[name] for name, seconds, _, _ in states if known[name] is not None
        ]
        if not totals:
            return None
        mean = sum(totals) / len(totals)
        left = to_come * mean
        longest = 0.0
        for name, seconds, _, _ in states:
            rest = max(0.0, mean - seconds) if known[name] is None else known[name]
            longest = max(longest, rest)
            left += rest
        return max(longest, left / self._parallel)


def _estimate(seconds, began, done):
    """Return the seconds that a run still needs, or None if its speed is not known yet."""
    if done - began < _SOON:
        return None
    return seconds * (1.0 - done) / (done - began)


def _outcome(job, result):
    """Return the result of a process that ended well, in words."""
    test = job.name == results.name_of_test(result.run)
    if test and result.test and result.test.score is not None:
        return f"test score {result.test.score:.4g}"
    if test or result.best is None:
        return result.test_error or result.error or "no score"
    return f"best validation score {result.best.score:.4g} at step {result.best.step}"


def minutes(seconds: float) -> str:
    """Return a duration as "h:mm:ss", or "m:ss" below an hour."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    text = f"{rest // 60}:{rest % 60:02d}"
    return f"{hours}:{text:0>5}" if hours else text
