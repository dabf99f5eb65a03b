"""Training batches: their order, their crops, and a thread that prepares them in advance.

A batch is a pure function of (seed, step). A run that resumes at step N gets the same batches as an
uninterrupted run, and no iterator state is saved in a checkpoint.

A source is a function first_step -> iterator of (inputs, labels):

    inputs   uint8 or float32 [batch, *inputs.network_shape], see mtl/inputs.py
    labels   dict task name -> array [batch, ...], see mtl/kinds
"""

import functools
import itertools
import queue
import threading
from typing import NamedTuple

import numpy as np

from mtl.inputs import NUMBERS, Inputs

# The purposes of random numbers; see `generator`.
ORDER = 1
CROPS = 2

POLL_SECONDS = 0.1
# A thread that still waits for a file or a process after this time is abandoned: Ctrl-C must work.
JOIN_SECONDS = 2.0


class Part(NamedTuple):
    """What one of several workers prepares: the examples first .. last - 1 of each batch."""

    size: int  # examples in the batch, of all workers together
    first: int
    last: int

    @property
    def keep(self):
        """Return the slice of the batch."""
        return slice(self.first, self.last)


def whole(size):
    """Return the Part that is a whole batch of `size` examples."""
    return Part(size, 0, size)


def generator(seed, purpose, number):
    """Return the random generator of (seed, purpose, number), all int."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, purpose, number])))


# -- inputs ----------------------------------------------------------------------------------------


def check_inputs(values, inputs: Inputs, what="inputs"):
    """Raise ValueError if an array is not a batch that a network takes.

    TensorFlow casts floats in 0..1 to uint8 without an error, and nearly every pixel becomes 0.

    Args:
      values: any object.
      inputs: inputs.Inputs. The shape of the batch must be [n, *inputs.network_shape].
      what: str, the name of the array in the error.
    """
    found, cure = type(values).__name__, "pass a NumPy array"
    shape = inputs.network_shape
    if isinstance(getattr(values, "dtype", None), np.dtype):
        if values.dtype == inputs.dtype and values.shape[1:] == shape and values.ndim > 1:
            return
        found, cure = f"{values.dtype} {list(values.shape)}", _cure(values, inputs)
    wanted = f"{inputs.dtype} [{', '.join(map(str, ('n', *shape)))}]"
    if inputs.is_images:
        wanted += f" with values 0 to {255 if inputs.dtype == 'uint8' else 1}"
    raise ValueError(f"{what} must be {wanted}, got {found}; {cure}")


def _cure(values, inputs):
    """Return the cure for an array that `check_inputs` rejects."""
    if inputs.dtype == "uint8" and values.dtype.kind == "f":
        return "convert floats in 0..1 with np.rint(255 * images).astype(np.uint8)"
    if values.dtype != inputs.dtype:
        if inputs.dtype == "uint8":
            return "convert integers in 0..255 with images.astype(np.uint8)"
        scaled = " / 255" if inputs.is_images and values.dtype.kind in "iu" else ""
        return f"convert them with np.float32(values{scaled})"
    if values.ndim == len(inputs.network_shape):
        return f"pass one {'image' if inputs.is_images else 'example'} as values[None]"
    return "resize them" if inputs.is_images else "give each example all features"


def _check_size(images, size):
    """Raise ValueError if images cannot be cropped to `size` pixels."""
    if not isinstance(images, np.ndarray) or images.dtype not in (np.uint8, np.float32):
        kind = getattr(images, "dtype", type(images).__name__)
        raise ValueError(f"images must be an array of uint8 or float32, got {kind}; convert them")
    if images.ndim != 4 or min(images.shape[1:3]) < size:
        wanted = f"[n, height, width, channels] and at least {size} x {size} pixels"
        raise ValueError(f"images must be {wanted}, got {list(images.shape)}; resize them")


def centre_crop(images, size=NUMBERS.crop):
    """Return the centre crop of each image, as a view of `images`.

    Args:
      images: uint8 or float32 [n, height, width, channels].
      size: int, height and width of a crop in pixels; 0 returns the inputs unchanged, also
        feature vectors.

    Returns:
      array [n, size, size, channels] of the same type.
    """
    if not size:
        return images
    _check_size(images, size)
    top = (images.shape[1] - size) // 2
    left = (images.shape[2] - size) // 2
    return images[:, top : top + size, left : left + size]


def random_crops(images, indices, rng, size=NUMBERS.crop, keep=slice(None)):
    """Return one random crop of each chosen image.

    The crop of an image does not depend on `keep`, so workers get the crops of a whole batch.

    Args:
      images: uint8 or float32 [n, height, width, channels].
      indices: int [batch], the chosen images.
      rng: np.random.Generator.
      size: int, height and width of a crop in pixels; 0 returns the chosen inputs whole, also
        feature vectors.
      keep: slice, which of the chosen images are wanted.

    Returns:
      array [batch, size, size, channels] of the same type; batch: images in `keep`.
    """
    if not size:
        return images[indices[keep]]
    _check_size(images, size)
    tops = rng.integers(0, images.shape[1] - size + 1, len(indices))[keep]
    lefts = rng.integers(0, images.shape[2] - size + 1, len(indices))[keep]
    indices = indices[keep]
    crops = np.empty((len(indices), size, size, images.shape[3]), images.dtype)
    for crop, index, top, left in zip(crops, indices, tops, lefts):
        crop[...] = images[index, top : top + size, left : left + size]
    return crops


# -- sources ---------------------------------------------------------------------------------------


def epochs(count, batch_size, step):
    """Return the positions of a batch in the epochs.

    Args:
      count: int, examples in an epoch.
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


def from_arrays(examples, batch_size, seed, crops=random_crops, part=None):
    """Return a source of examples in memory. Each epoch has each of them once, in a new order.

    Args:
      examples: data.examples.Examples.
      batch_size: int.
      seed: int.
      crops: function (inputs, indices, rng, keep=slice) -> array [batch, ...]; see random_crops.
      part: Part of the batches; None is the whole of them.

    Raises:
      ValueError: the number of inputs, labels and names differs.
    """
    count, part = len(examples.names), part or whole(batch_size)
    for name, values in {"inputs": examples.inputs, **examples.labels}.items():
        if len(values) != count:
            raise ValueError(f"{len(values)} {name} for {count} examples; give one for each")

    @functools.lru_cache(maxsize=1)
    def order(epoch):
        return generator(seed, ORDER, epoch).permutation(count)

    def source(first_step):
        for step in itertools.count(first_step):
            pieces = epochs(count, part.size, step)
            indices = np.concatenate([order(epoch)[first:last] for epoch, first, last in pieces])
            inputs = crops(examples.inputs, indices, generator(seed, CROPS, step), keep=part.keep)
            chosen = indices[part.keep]
            yield inputs, {name: values[chosen] for name, values in examples.labels.items()}

    return source


def from_windows(windows, seed, crops=random_crops, part=None):
    """Return a source of a dataset that is read during training, in its own order.

    Args:
      windows: function first_step -> endless generator of (images, labels), before the crop; those
        of `part` alone.
      seed: int.
      crops: function (images, indices, rng, keep=slice) -> images [batch, crop, crop, channels].
      part: Part of the batches; None is the whole of them.
    """

    def source(first_step):
        stream = windows(first_step)
        try:
            for step, (images, labels) in enumerate(stream, start=first_step):
                rng, own = generator(seed, CROPS, step), part or whole(len(images))
                indices = np.arange(own.size) - own.first  # in `images`, where they are kept
                yield crops(images, indices, rng, keep=own.keep), labels
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
