"""The synthetic dataset: images of numbers, drawn on demand.

It needs no download and no fonts. For a style and a difficulty, an image depends only on (seed,
split, index), not on the number of workers. Validation and test do not depend on the seed. All
splits are endless.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from mtl import machine
from mtl.config import SPLITS, Config
from mtl.data import batches
from mtl.data.drawn import drawing, glyphs, handwriting, workers as workers_lib
from mtl.data.drawn.chance import choose, cumulative
from mtl.data.examples import Examples, Opened, numbers_inputs, of_numbers
from mtl.data.pool import from_stream
from mtl.errors import DataError
from mtl.inputs import NUMBERS
from mtl.tasks import NUMBER_TASKS

DATASET = "synthetic"

FIXED_SEED = 2016  # of validation and test
CHUNK = 64  # images that a worker draws in one call
FEW_CHUNKS = 4  # up to this many are drawn without workers, because starting them takes longer

# Shares of numbers with 0, 1, .. 7 digits. Validation and test resemble real streets, with enough
# numbers of each rare length to measure it. Train has more of the rare lengths, to learn them.
LENGTHS = {
    "train": (0.02, 0.14, 0.31, 0.27, 0.14, 0.07, 0.03, 0.02),
    "validation": (0.015, 0.18, 0.47, 0.25, 0.06, 0.01, 0.01, 0.005),
}
LENGTHS["test"] = LENGTHS["validation"]
# Houses are numbered from 1, so small leading digits are common (Newcomb 1881, Benford 1938).
LEADING = np.array([0.01] + [np.log10(1 + 1 / digit) for digit in range(1, 10)])
LEADING = 0.6 * LEADING / LEADING.sum() + 0.4 * np.array([0.1] * 10)
_LENGTHS = {split: cumulative(shares) for split, shares in LENGTHS.items()}
_LEADING = cumulative(LEADING)


def load(
    data_dir: str,
    split: str,
    *,
    count: int | None = None,
    style: str = Config.style,
    difficulty: float = Config.difficulty,
    seed: int = 0,
    workers: int = 0,
) -> Examples:
    """Draw the first images of a split.

    Args:
      data_dir: ignored; the other datasets need it.
      split: one of config.SPLITS.
      count: number of images; required, because the dataset is endless.
      style: one of config.choices("style").
      difficulty: 0..1.
      seed: of train; the other splits are fixed.
      workers: number of processes; 0 is one for each core.

    Raises:
      DataError: there is no such split.
      ValueError: count is None.
    """
    if split not in SPLITS:
        raise DataError(
            f"the dataset synthetic has no split {split!r}; choose one of {', '.join(SPLITS)}"
        )
    if count is None:
        raise ValueError("the dataset synthetic is endless; give a count")
    tasks = [
        (seed, split, first, min(CHUNK, count - first), difficulty, style)
        for first in range(0, count, CHUNK)
    ]
    if len(tasks) <= FEW_CHUNKS:
        parts = [_draw_chunk(*task) for task in tasks]
    else:
        with workers_lib.Workers(min(workers or machine.cores(), len(tasks))) as pool:
            futures = [pool.submit(_draw_chunk, *task) for task in tasks]
            parts = [future.result() for future in futures]
    images, numbers = _joined(parts)
    return of_numbers(images, numbers, [f"{split}/{index}" for index in range(count)])


def opened(config: Config, part: batches.Part) -> Opened:
    """Return the training data of a run; raise ValueError if a flag does not apply.

    Workers that train together all draw the images of all of them.
    """
    if config.window not in (0, NUMBERS.shape[0]):
        what = f"--window={config.window} does not apply to --dataset=synthetic"
        raise ValueError(f"{what}; remove the flag")
    blocks = Blocks(
        config.seed, style=config.style, difficulty=config.difficulty, workers=config.workers
    )
    crop = config.crop_size
    source = from_stream(
        blocks, config.pool, config.reuse, part.size, config.seed, blocks.check, crop, part.keep
    )
    return Opened(source, NUMBER_TASKS, numbers_inputs(crop=crop))


def number(rng: np.random.Generator, split: str) -> str:
    """Return a random number of 0 to 7 digits; the distribution of lengths depends on the split."""
    length = choose(rng, _LENGTHS[split])
    if not length:
        return ""
    digits = rng.integers(0, 10, length)
    digits[0] = choose(rng, _LEADING)
    return "".join(map(str, digits))


def example(
    seed: int, split: str, index: int, difficulty: float, style: str = Config.style
) -> tuple[np.ndarray, str]:
    """Draw one image.

    Args:
      seed: of train; the other splits use FIXED_SEED.
      split: one of config.SPLITS.
      difficulty: from 0 (large, clean, high contrast) to 1 (like the worst photographs of houses).
      style: one of config.choices("style").

    Returns:
      uint8 [64, 64, 3] and the number.
    """
    key = [seed if split == "train" else FIXED_SEED, SPLITS.index(split), index]
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
    if style == "written":
        text = handwriting.number(rng)
        return handwriting.draw(text, rng, difficulty), text
    text = number(rng, split)
    return drawing.draw(text, rng, difficulty, glyphs.load()), text


def _draw_chunk(seed, split, first, count, difficulty, style):
    """Return the images and numbers of `count` examples, starting at index `first`."""
    indices = range(first, first + count)
    drawn = [example(seed, split, index, difficulty, style) for index in indices]
    return np.stack([image for image, _ in drawn]), [text for _, text in drawn]


def _joined(chunks):
    """Return the images and numbers of several chunks, joined."""
    images = np.concatenate([images for images, _ in chunks])
    return images, list(itertools.chain.from_iterable(numbers for _, numbers in chunks))


class Blocks:
    """The endless train split in blocks, which worker processes draw in advance."""

    def __init__(
        self,
        seed: int,
        *,
        style: str = Config.style,
        difficulty: float = Config.difficulty,
        workers: int = 0,
    ):
        """Store the settings; see `load`. Drawing starts with the first call."""
        self._seed = seed
        self._drawing = (difficulty, style)
        self._count = workers or machine.cores()
        self._pool = None

    def __call__(self, first: int, size: int) -> Iterator[tuple[np.ndarray, list[str]]]:
        """Draw blocks of `size` images, starting with block number `first`.

        Yields:
          uint8 [size, 64, 64, 3] and the `size` numbers.

        Raises:
          MtlError: a worker process was killed.
        """
        with workers_lib.Workers(self._count) as pool:
            self._pool = pool
            # At most two blocks are drawn in advance, so that memory is bounded.
            ahead = [self._submit(pool, first, size), self._submit(pool, first + 1, size)]
            for block in itertools.count(first + 2):
                drawn = _joined([future.result() for future in ahead.pop(0)])
                ahead.append(self._submit(pool, block, size))
                yield drawn

    def check(self):
        """Raise MtlError if a worker process was killed, even while no block is awaited."""
        self._pool.check()

    def _submit(self, pool, block, size):
        """Start drawing a block; return a list of Future, one for each chunk."""
        begin, end = block * size, (block + 1) * size
        return [
            pool.submit(
                _draw_chunk, self._seed, "train", first, min(CHUNK, end - first), *self._drawing
            )
            for first in range(begin, end, CHUNK)
        ]
