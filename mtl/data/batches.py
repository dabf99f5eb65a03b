"""Training batches: their order, their crops, and a thread that prepares them in advance.

A batch is a pure function of (seed, step). A run that resumes at step N gets the same batches as an
uninterrupted run, and no iterator state is saved in a checkpoint.

A source is a function first_step -> iterator of (images, labels): images uint8 [batch, crop, crop,
channels], labels dict task name -> int32 [batch].
"""

import functools
import itertools
import queue
import threading

import numpy as np

from mtl import tasks
from mtl.config import CHANNELS, CROP

# The purposes of random numbers; see `generator`.
ORDER = 1
CROPS = 2

_IMAGES = ("n", "height", "width", CHANNELS)
_ANY_CHANNELS = ("n", "height", "width", "channels")

POLL_SECONDS = 0.1
# A thread that still waits for a file or a process after this time is abandoned: Ctrl-C must work.
JOIN_SECONDS = 2.0


def generator(seed, purpose, number):
    """Return the random generator of (seed, purpose, number), all int."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, purpose, number])))


# -- images ----------------------------------------------------------------------------------------


def check_images(images, shape=_IMAGES, what="images", least=0):
    """Raise ValueError if `images` is not a uint8 array of `shape`.

    TensorFlow casts floats in 0..1 to uint8 without an error, and nearly every pixel becomes 0.

    Args:
      images: any object.
      shape: tuple of int, or of str for an axis of any size.
      what: str, the name of the images in the error.
      least: int, the smallest height and width allowed, in pixels.
    """
    if isinstance(getattr(images, "dtype", None), np.dtype):
        if images.dtype == np.uint8 and _fits(images.shape, shape, least):
            return
        found = f"{images.dtype} {list(images.shape)}"
        cure = _cure(images, len(shape))
    else:
        found = type(images).__name__
        cure = "pass a NumPy array"
    wanted = f"uint8 [{', '.join(map(str, shape))}] with values 0 to 255"
    if least:
        wanted += f" and at least {least} x {least} pixels"
    raise ValueError(f"{what} must be {wanted}, got {found}; {cure}")


def _fits(found, shape, least):
    if len(found) != len(shape) or min(found[1:3]) < least:
        return False
    return all(isinstance(want, str) or size == want for size, want in zip(found, shape))


def _cure(images, axes):
    if images.dtype.kind == "f":
        return "convert floats in 0..1 with np.rint(255 * images).astype(np.uint8)"
    if images.dtype != np.uint8:
        return "convert integers in 0..255 with images.astype(np.uint8)"
    if images.ndim + 1 == axes:
        return "pass one image as images[None]"
    return "resize them"


def centre_crop(images, size=CROP):
    """Return the centre crop of each image, as a view of `images`.

    Args:
      images: uint8 [n, height, width, channels].
      size: int, height and width of a crop in pixels.

    Returns:
      uint8 [n, size, size, channels].
    """
    check_images(images, _ANY_CHANNELS, least=size)
    top = (images.shape[1] - size) // 2
    left = (images.shape[2] - size) // 2
    return images[:, top : top + size, left : left + size]


def random_crops(images, indices, rng, size=CROP):
    """Return one random crop of each chosen image.

    Args:
      images: uint8 [n, height, width, channels].
      indices: int [batch], the chosen images.
      rng: np.random.Generator.
      size: int, height and width of a crop in pixels.

    Returns:
      uint8 [batch, size, size, channels].
    """
    check_images(images, _ANY_CHANNELS, least=size)
    tops = rng.integers(0, images.shape[1] - size + 1, len(indices))
    lefts = rng.integers(0, images.shape[2] - size + 1, len(indices))
    crops = np.empty((len(indices), size, size, images.shape[3]), np.uint8)
    for crop, index, top, left in zip(crops, indices, tops, lefts):
        crop[...] = images[index, top : top + size, left : left + size]
    return crops


# -- sources ---------------------------------------------------------------------------------------


def epochs(count, batch_size, step):
    """Return the positions of a batch in the epochs.

    Args:
      count: int, images in an epoch.
      batch_size: int.
      step: int, the index of the batch, from 0.

    Returns:
      list of (epoch, first, last): positions first .. last - 1 of that epoch. A batch may extend
      over several epochs.
    """
    parts = []
    first = step * batch_size
    end = first + batch_size
    while first < end:
        epoch, position = divmod(first, count)
        taken = min(end - first, count - position)
        parts.append((epoch, position, position + taken))
        first += taken
    return parts


def from_arrays(examples, batch_size, seed, crops=random_crops):
    """Return a source of examples in memory. Each epoch has every image once, in a new order.

    Args:
      examples: data.examples.Examples.
      batch_size: int.
      seed: int.
      crops: function (images, indices, rng) -> uint8 [batch, crop, crop, channels].
    """
    check_images(examples.images)
    count = len(examples.numbers)
    labels = tasks.encode_all(examples.numbers)

    @functools.lru_cache(maxsize=1)
    def order(epoch):
        return generator(seed, ORDER, epoch).permutation(count)

    def source(first_step):
        for step in itertools.count(first_step):
            parts = epochs(count, batch_size, step)
            indices = np.concatenate([order(epoch)[first:last] for epoch, first, last in parts])
            images = crops(examples.images, indices, generator(seed, CROPS, step))
            yield images, {name: classes[indices] for name, classes in labels.items()}

    return source


def from_windows(windows, seed, crops=random_crops):
    """Return a source of a dataset that is read during training, in its own order.

    Args:
      windows: function first_step -> endless generator of (uint8 [batch, height, width, channels],
        list of batch numbers).
      seed: int.
      crops: function (images, indices, rng) -> uint8 [batch, crop, crop, channels].
    """

    def source(first_step):
        stream = windows(first_step)
        try:
            for step, (images, numbers) in enumerate(stream, start=first_step):
                check_images(images)
                rng = generator(seed, CROPS, step)
                yield crops(images, np.arange(len(images)), rng), tasks.encode_all(numbers)
        finally:
            stream.close()

    return source


# -- prefetch --------------------------------------------------------------------------------------


class _Worker:
    """A thread that puts the items of a generator into a queue."""

    def __init__(self, iterator, depth):
        self._iterator = iterator
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="prefetch", daemon=True)
        self.ready = queue.Queue(depth)  # of (item, error); StopIteration comes last
        self._thread.start()

    def close(self):
        self._ended.set()
        self._thread.join(JOIN_SECONDS)

    def _work(self):
        try:
            for item in self._iterator:
                self._put(item, None)
                if self._ended.is_set():
                    break
            self._put(None, StopIteration())
        except BaseException as error:  # a lost error would block the consumer forever
            self._put(None, error)
        finally:
            if hasattr(self._iterator, "close"):  # not every iterator has it
                self._iterator.close()

    def _put(self, item, error):
        while not self._ended.is_set():
            try:
                self.ready.put((item, error), timeout=POLL_SECONDS)
                return
            except queue.Full:
                pass


def prefetch(iterator, depth=2, stop=None):
    """Run a generator in its own thread, a few items ahead. Its errors are raised in the caller.

    Args:
      iterator: an iterator, which is closed at the end if it is a generator.
      depth: int, the number of items prepared in advance.
      stop: function () -> int, called every POLL_SECONDS while no item is ready. A nonzero result
        ends this generator.

    Yields:
      the items, in order. Closing this generator ends the thread and closes the iterator.
    """
    worker = _Worker(iterator, depth)
    try:
        while True:
            try:
                item, error = worker.ready.get(timeout=POLL_SECONDS)
            except queue.Empty:
                if stop and stop():
                    return
                continue
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item
    finally:
        worker.close()
