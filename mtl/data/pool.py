"""Batches of an endless dataset. A pool uses each image several times, then replaces it."""

import itertools

import numpy as np

from mtl import tasks
from mtl.data import batches
from mtl.inputs import NUMBERS


def from_stream(
    blocks, pool, reuse, batch_size, seed, check=None, crop=NUMBERS.crop, keep=slice(None)
):
    """Return a source of an endless dataset.

    An epoch has each image of the pool once. Then a new block replaces the oldest one, which has
    pool / reuse images. So each image is used `reuse` times, with a new crop each time.

    Args:
      blocks: function (first block, images in a block) -> endless generator of (uint8 [n, height,
        width, channels], list of n numbers).
      pool: int, images in memory, a multiple of reuse.
      reuse: int, the number of epochs that use an image.
      batch_size: int.
      seed: int.
      check: function () -> None, called before each batch. It raises if `blocks` cannot continue.
      crop: int, height and width of a crop in pixels; 0 is the whole image.
      keep: slice, the part of the batches that is wanted.
    """

    def source(first_step):
        first_epoch = batches.epochs(pool, batch_size, first_step)[0][0]
        stream = blocks(first_epoch, pool // reuse)
        try:
            current = _Pool(stream, pool, reuse, seed, first_epoch, crop)
            for step in itertools.count(first_step):
                if check:
                    check()
                rng = batches.generator(seed, batches.CROPS, step)
                crops, labels = current.batch(batches.epochs(pool, batch_size, step), rng)
                yield crops[keep], {name: classes[keep] for name, classes in labels.items()}
        finally:
            stream.close()

    return source


class _Pool:
    """The images of one epoch. Block b of the stream is in use from epoch b - reuse + 1 to b."""

    def __init__(self, stream, size, reuse, seed, epoch, crop):
        """Read the blocks of an epoch.

        Args:
          stream: iterator of blocks; its first is block `epoch`.
          size: int, images in the pool.
          reuse: int, blocks in the pool.
          seed: int.
          epoch: int.
          crop: int, pixels.
        """
        self._stream = stream
        self._size = size
        self._reuse = reuse
        self._seed = seed
        self._epoch = epoch
        self._crop = crop
        self._images = None  # uint8 [size, height, width, channels]
        self._labels = {task.name: np.empty(size, np.int32) for task in tasks.NUMBER_TASKS}
        for block in range(epoch, epoch + reuse):
            self._read(block)
        self._shuffle()

    def batch(self, parts, rng):
        """Return (crops, labels) of a batch; parts: its positions, see batches.epochs."""
        crops, labels = [], []
        for epoch, first, last in parts:
            self._advance(epoch)
            chosen = self._order[first:last]
            crops.append(batches.random_crops(self._images, chosen, rng, self._crop))
            labels.append({name: classes[chosen] for name, classes in self._labels.items()})
        joined = {name: np.concatenate([each[name] for each in labels]) for name in self._labels}
        return np.concatenate(crops), joined

    def _advance(self, epoch):
        """Advance to an epoch. Each epoch on the way replaces the oldest block."""
        while self._epoch < epoch:
            self._read(self._epoch + self._reuse)
            self._epoch += 1
            self._shuffle()

    def _read(self, block):
        """Replace the oldest block with the next one of the stream."""
        images, numbers = next(self._stream)
        if self._images is None:
            self._images = np.empty((self._size, *images.shape[1:]), np.uint8)
        count = self._size // self._reuse
        first = block % self._reuse * count
        self._images[first : first + count] = images
        for name, classes in tasks.encode_all(numbers).items():
            self._labels[name][first : first + count] = classes

    def _shuffle(self):
        rng = batches.generator(self._seed, batches.ORDER, self._epoch)
        self._order = rng.permutation(self._size)
