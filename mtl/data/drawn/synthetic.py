"""The embedded data set: numbers drawn like house numbers, with no download and no font on the user's machine.

Image `index` of a split is a pure function of (seed, split, index): the same for any number of workers, on any day. Train is an endless
stream; validation and test are fixed, whatever the run's seed.
"""

import itertools
import os

import numpy as np

from mtl.config import SPLITS, Config
from mtl.data.drawn import drawing, glyphs, handwriting, workers as workers_lib
from mtl.data.examples import Examples

FIXED_SEED = 2016  # of validation and test
CHUNK = 64  # images a worker draws at a time

# How many numbers have 0, 1, .. 7 digits. Validation and test have them as streets do, with some of each rare class to measure it by;
# train shows the rare lengths more often, because they must be learnt too.
LENGTHS = {
    "train": (0.02, 0.14, 0.31, 0.27, 0.14, 0.07, 0.03, 0.02),
    "validation": (0.015, 0.18, 0.47, 0.25, 0.06, 0.01, 0.01, 0.005),
}
LENGTHS["test"] = LENGTHS["validation"]
# House numbers count from 1, so small leading digits are the common ones (Newcomb 1881, Benford 1938); a leading 0 is rare.
LEADING = np.array([0.01] + [np.log10(1 + 1 / digit) for digit in range(1, 10)])
LEADING = 0.6 * LEADING / LEADING.sum() + 0.4 * np.array([0.1] * 10)


def number(stream, split):
    """Draw a number.

    Args:
      stream: np.random.Generator.
      split: str, one of config.SPLITS, which have different shares of long numbers.

    Returns:
      str of 0 to 7 digits.
    """
    length = stream.choice(len(LENGTHS[split]), p=LENGTHS[split])
    if not length:
        return ""
    digits = stream.integers(0, 10, length)
    digits[0] = stream.choice(10, p=LEADING)
    return "".join(map(str, digits))


def example(seed, split, index, difficulty, style=Config.style):
    """Draw one image.

    Args:
      seed: int, of the run; validation and test are drawn from FIXED_SEED instead.
      split: str, one of config.SPLITS.
      index: int.
      difficulty: float, 0 (large, clean, high contrast) to 1 (as bad as photographs of houses are).
      style: str, one of config.CHOICES["style"]: numbers on houses, or amounts written by hand.

    Returns:
      uint8 [WINDOW, WINDOW, 3] and the number.
    """
    key = [seed if split == "train" else FIXED_SEED, SPLITS.index(split), index]
    stream = np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
    if style == "written":
        text = handwriting.number(stream)
        return handwriting.draw(text, stream, difficulty), text
    text = number(stream, split)
    return drawing.draw(text, stream, difficulty, glyphs.load()), text


def _chunk(seed, split, first, count, difficulty, style):
    drawn = [
        example(seed, split, index, difficulty, style) for index in range(first, first + count)
    ]
    return np.stack([image for image, _ in drawn]), [text for _, text in drawn]


def _joined(parts):
    return np.concatenate([images for images, _ in parts]), [
        text for _, texts in parts for text in texts
    ]


def examples(split, count, *, style=Config.style, difficulty=Config.difficulty, seed=0, workers=0):
    """Draw the first images of a split.

    Args:
      split: str, one of config.SPLITS.
      count: int.
      style: str, see `example`.
      difficulty: float in [0, 1].
      seed: int, which train stream; the other splits are fixed.
      workers: int, processes; 0 is one for each core.

    Returns:
      Examples.
    """
    tasks = [
        (seed, split, first, min(CHUNK, count - first), difficulty, style)
        for first in range(0, count, CHUNK)
    ]
    if len(tasks) <= 4:  # a few images are drawn sooner than a worker starts
        parts = [_chunk(*task) for task in tasks]
    else:
        with workers_lib.Workers(min(workers or os.cpu_count() or 1, len(tasks))) as pool:
            futures = [pool.submit(_chunk, *task) for task in tasks]
            parts = [future.result() for future in futures]
    images, texts = _joined(parts)
    return Examples(images, texts, [f"{split}/{index}" for index in range(count)])


class Blocks:
    """The endless train stream, drawn ahead of its use by worker processes."""

    def __init__(self, seed, *, style=Config.style, difficulty=Config.difficulty, workers=0):
        """Describe the stream; nothing is drawn yet.

        Args:
          seed: int.
          style: str, see `example`.
          difficulty: float in [0, 1].
          workers: int, processes; 0 is one for each core.
        """
        self._seed, self._drawing = seed, (difficulty, style)
        self._count = workers or os.cpu_count() or 1
        self._pool = None

    def __call__(self, first, size):
        """Draw blocks of `size` images, from block `first` (both int) on.

        Yields:
          (uint8 [size, WINDOW, WINDOW, 3], list of `size` numbers).

        Raises:
          MtlError: a worker process was killed.
        """
        with workers_lib.Workers(self._count) as pool:
            self._pool = pool
            # One block in hand while the next is drawn: memory stays bounded.
            ahead = [self._submit(pool, first, size), self._submit(pool, first + 1, size)]
            for block in itertools.count(first + 2):
                drawn = _joined([future.result() for future in ahead.pop(0)])
                ahead.append(self._submit(pool, block, size))
                yield drawn

    def check(self):
        """Raise MtlError where a worker process was killed, even while no block is awaited."""
        self._pool.check()

    def _submit(self, pool, block, size):
        """Have a block drawn; return a list of Future, one a chunk."""
        begins, end = range(block * size, (block + 1) * size, CHUNK), (block + 1) * size
        return [
            pool.submit(_chunk, self._seed, "train", at, min(CHUNK, end - at), *self._drawing)
            for at in begins
        ]
