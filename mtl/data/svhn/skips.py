"""Count skipped images by kind, because a few of SVHN's images may be broken."""

from collections import Counter, defaultdict
from collections.abc import Callable


class EntryError(ValueError):
    """An entry of digitStruct.mat, or its image, is broken. Entries are counted by `kind`."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


class Skips:
    """Counts skipped images by split and kind, and stores the first message of each."""

    def __init__(self):
        self.counts = defaultdict(Counter)  # split -> kind -> number of images
        self._first = {}

    def add(self, split: str, kind: str, message: str) -> None:
        """Count a skipped image; the message gives the reason."""
        self.counts[split][kind] += 1
        self._first.setdefault((split, kind), message)

    def report(self, split: str, say: Callable[[str], None]) -> None:
        """Call `say` with one line for each kind of skipped images in a split."""
        for kind, count in sorted(self.counts[split].items()):
            first = self._first.get((split, kind))  # None: counted by an earlier run
            example = f", the first: {first}" if first else ""
            say(f"{split}: {count} skipped: {kind}{example}")
