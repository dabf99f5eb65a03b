"""The embedded data set: numbers drawn like house numbers, with no download and no font on the user's machine.

Image `index` of a split is a pure function of (seed, split, index): the same for any number of workers, on any day. Train is an endless
stream; validation and test are fixed, whatever the run's seed.
"""

import concurrent.futures
import itertools
import multiprocessing
import os
import signal
import threading
import time

import numpy as np

from mtl.config import SPLITS, Config
from mtl.data import drawing, glyphs, handwriting
from mtl.data.examples import Examples
from mtl.errors import MtlError

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
    drawn = [example(seed, split, index, difficulty, style) for index in range(first, first + count)]
    return np.stack([image for image, _ in drawn]), [text for _, text in drawn]


def _start_worker(command):
    for number in (signal.SIGINT, signal.SIGTERM):  # they are for the command, which saves and then ends its workers itself
        signal.signal(number, signal.SIG_IGN)
    os.nice(10)  # the network goes first: workers only have to keep the pool filled
    threading.Thread(target=_end_with, args=[command], daemon=True).start()
    glyphs.load()


def _end_with(command):
    """End this process when the command's is gone: after a SIGKILL nobody else would."""
    while os.getppid() == command:
        time.sleep(0.5)
    os._exit(1)


def _workers(count):
    # A forked child of a process that runs TensorFlow's threads can hang; spawned ones import NumPy and Pillow alone.
    return concurrent.futures.ProcessPoolExecutor(
        count or os.cpu_count() or 1, multiprocessing.get_context("spawn"), initializer=_start_worker, initargs=[os.getpid()]
    )


def _joined(parts):
    return np.concatenate([images for images, _ in parts]), [text for _, texts in parts for text in texts]


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
    tasks = [(seed, split, first, min(CHUNK, count - first), difficulty, style) for first in range(0, count, CHUNK)]
    if len(tasks) <= 4:  # a few images are drawn sooner than a worker starts
        parts = [_chunk(*task) for task in tasks]
    else:
        with _workers(workers) as pool:
            parts = list(pool.map(_chunk, *zip(*tasks)))
    images, texts = _joined(parts)
    return Examples(images, texts, [f"{split}/{index}" for index in range(count)])


def blocks(seed, *, style=Config.style, difficulty=Config.difficulty, workers=0):
    """Make the endless train stream, drawn ahead of its use by worker processes.

    Args:
      seed: int.
      style: str, see `example`.
      difficulty: float in [0, 1].
      workers: int, processes; 0 is one for each core.

    Returns:
      function (first block, images in a block) -> iterator of (uint8 [n, WINDOW, WINDOW, 3], list of n numbers).
    """

    def start(first, size):
        with _workers(workers) as pool:

            def submit(block):
                begins = range(block * size, (block + 1) * size, CHUNK)
                return [pool.submit(_chunk, seed, "train", at, min(CHUNK, (block + 1) * size - at), difficulty, style) for at in begins]

            ahead = [submit(first), submit(first + 1)]  # one block in hand while the next is drawn: memory stays bounded
            try:
                for block in itertools.count(first + 2):
                    drawn = _joined([future.result() for future in ahead.pop(0)])
                    ahead.append(submit(block))
                    yield drawn
            except concurrent.futures.process.BrokenProcessPool as error:
                raise MtlError("a process that draws images was ended from outside; the same command continues the run") from error
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    return start
