"""What replaces the module time where code sleeps: no time passes, and a test acts meanwhile."""


class Sleeping:
    """Has sleep and monotonic of the module time.

    The first sleep calls the first of some functions, and so on; the last one acts again and again.
    """

    def __init__(self, *acts):
        self._acts = list(acts)
        self.slept = 0.0  # seconds

    def sleep(self, seconds):
        self.slept += seconds
        if self._acts:
            act = self._acts.pop(0) if len(self._acts) > 1 else self._acts[0]
            act()

    def monotonic(self):
        return self.slept
