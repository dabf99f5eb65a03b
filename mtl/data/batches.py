"""From pictures to training batches: the order, the crops, and a thread that prepares the next batch while the last one trains.

Everything here is a pure function of (seed, step): a run that is continued at step N gets the batches it would have got, with no state
of an iterator in a checkpoint. A source is a function first_step -> iterator of (images, labels): images uint8 [batch, crop, crop,
3], labels dict task name -> int32 [batch].
"""

import functools
import queue
import threading

import numpy as np

from mtl import tasks
from mtl.config import CHANNELS, CROP

JOIN_SECONDS = (
    2.0  # later, a thread that waits for a file or a process is abandoned: Ctrl-C must end
)
_ORDER, _CROP = 1, 2  # what a random stream is for, part of its key
_IMAGES = ("n", "height", "width", CHANNELS)
_ANY_CHANNELS = ("n", "height", "width", "channels")


def random(seed, purpose, number):
    """Return the random stream of (seed, purpose, number), all int."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, purpose, number])))


def check_images(images, shape=_IMAGES, what="images", least=0):
    """Raise ValueError where `images` is not a uint8 array of `shape`.

    TensorFlow casts floats in 0..1 to uint8 without an error, and nearly every pixel becomes 0.

    Args:
      images: anything.
      shape: tuple of int, or of str for an axis of any size.
      what: str, the name of the images in the error.
      least: int, the smallest height and width that are accepted, in pixels.
    """
    is_array = isinstance(getattr(images, "dtype", None), np.dtype)
    dtype, got = (images.dtype, images.shape) if is_array else (None, ())
    fits = len(got) == len(shape) and min(got[1:3]) >= least
    if dtype == np.uint8 and fits and all(a == b or isinstance(a, str) for a, b in zip(shape, got)):
        return
    if not is_array:
        cure = "pass a NumPy array"
    elif "float" in str(dtype):
        cure = "convert floats in 0..1 with np.rint(255 * images).astype(np.uint8)"
    elif dtype != np.uint8:
        cure = "convert integers in 0..255 with images.astype(np.uint8)"
    else:
        cure = "pass one image as images[None]" if len(got) + 1 == len(shape) else "resize them"
    wanted = f"uint8 [{', '.join(map(str, shape))}] with values 0 to 255"
    wanted += f" and at least {least} x {least} pixels" if least else ""
    found = f"{dtype} {list(got)}" if is_array else type(images).__name__
    raise ValueError(f"{what} must be {wanted}, got {found}; {cure}")


def centre_crop(images, size=CROP):
    """Cut out the centre: uint8 [n, height, width, channels] -> a view [n, size, size, channels]."""
    check_images(images, _ANY_CHANNELS, least=size)
    top, left = (images.shape[1] - size) // 2, (images.shape[2] - size) // 2
    return images[:, top : top + size, left : left + size]


def random_crops(images, indices, stream, size=CROP):
    """Cut one random square out of each of the chosen images.

    Args:
      images: uint8 [n, height, width, channels].
      indices: int [batch], which images.
      stream: np.random.Generator.
      size: int, pixels.

    Returns:
      uint8 [batch, size, size, channels].
    """
    check_images(images, _ANY_CHANNELS, least=size)
    tops = stream.integers(0, images.shape[1] - size + 1, len(indices))
    lefts = stream.integers(0, images.shape[2] - size + 1, len(indices))
    crops = np.empty((len(indices), size, size, images.shape[3]), np.uint8)
    for crop, index, top, left in zip(crops, indices, tops, lefts):
        crop[...] = images[index, top : top + size, left : left + size]
    return crops


def rounds(count, batch_size, step):
    """Say which places of which rounds a batch covers, where each round visits `count` images once.

    Args:
      count: int, images in a round.
      batch_size: int.
      step: int, the batch.

    Returns:
      list of (round, first, last): the places first .. last - 1 of that round; a batch may reach over several rounds.
    """
    parts, first, end = [], step * batch_size, (step + 1) * batch_size
    while first < end:
        number, place = divmod(first, count)
        taken = min(end - first, count - place)
        parts.append((number, place, place + taken))
        first += taken
    return parts


def from_arrays(examples, batch_size, seed, crops=random_crops):
    """Make the source of a data set that lies in memory: each round (epoch) visits every picture once, in a new order.

    Args:
      examples: data.examples.Examples.
      batch_size: int.
      seed: int.
      crops: function (images, indices, stream) -> uint8 [batch, crop, crop, 3], what becomes of the pictures of a batch.

    Returns:
      source.
    """
    check_images(examples.images)
    labels = tasks.encode_all(examples.numbers)

    def source(first_step):
        step, known = first_step, {}
        while True:
            parts = rounds(len(examples.numbers), batch_size, step)
            for number in [part[0] for part in parts if part[0] not in known]:
                known[number] = random(seed, _ORDER, number).permutation(len(examples.numbers))
            indices = np.concatenate([known[number][first:last] for number, first, last in parts])
            for number in [number for number in known if number < parts[-1][0]]:
                del known[number]
            yield (
                crops(examples.images, indices, random(seed, _CROP, step)),
                {name: classes[indices] for name, classes in labels.items()},
            )
            step += 1

    return source


def from_windows(windows, seed, crops=random_crops):
    """Make the source of a data set that is read as it trains, in an order of its own.

    Args:
      windows: function first_step -> iterator of (uint8 [batch, height, width, 3], list of batch numbers), endless.
      seed: int.
      crops: function (images, indices, stream) -> uint8 [batch, crop, crop, 3], what becomes of the pictures of a batch.

    Returns:
      source.
    """

    def source(first_step):
        stream = windows(first_step)
        try:
            for step, (images, numbers) in enumerate(stream, start=first_step):
                check_images(images)
                yield (
                    crops(images, np.arange(len(images)), random(seed, _CROP, step)),
                    tasks.encode_all(numbers),
                )
        finally:
            stream.close()

    return source


def from_stream(blocks, pool, reuse, batch_size, seed, check=lambda: None):
    """Make the source of an endless data set: a pool of drawn images, each used `reuse` times with fresh crops.

    A round visits each image of the pool once. After it the oldest block of pool / reuse images makes place for a new one.

    Args:
      blocks: function (first block, images in a block) -> iterator of (uint8 [n, height, width, 3], list of n numbers), endless.
      pool: int, images held in memory, a multiple of reuse.
      reuse: int, rounds an image stays.
      batch_size: int.
      seed: int.
      check: function () -> None, called before each batch; it may raise where `blocks` cannot go on.

    Returns:
      source.
    """
    size = pool // reuse

    def source(first_step):
        step = first_step
        oldest = rounds(pool, batch_size, step)[0][0]
        stream = blocks(oldest, size)
        images, labels = None, None

        def put(block):
            nonlocal images, labels
            drawn, numbers = next(stream)
            if images is None:
                images = np.empty((pool,) + drawn.shape[1:], np.uint8)
                labels = {task.name: np.empty(pool, np.int32) for task in tasks.NUMBER_TASKS}
            slot = slice(block % reuse * size, (block % reuse + 1) * size)
            images[slot] = drawn
            for name, classes in tasks.encode_all(numbers).items():
                labels[name][slot] = classes

        try:
            for block in range(oldest, oldest + reuse):
                put(block)
            order = random(seed, _ORDER, oldest).permutation(pool)
            while True:
                check()
                crop, pieces = random(seed, _CROP, step), []
                for number, first, last in rounds(pool, batch_size, step):
                    while oldest < number:
                        put(oldest + reuse)
                        oldest += 1
                        order = random(seed, _ORDER, oldest).permutation(pool)
                    chosen = order[first:last]
                    pieces.append(
                        (
                            random_crops(images, chosen, crop),
                            {name: classes[chosen] for name, classes in labels.items()},
                        )
                    )
                yield (
                    np.concatenate([piece[0] for piece in pieces]),
                    {name: np.concatenate([piece[1][name] for piece in pieces]) for name in labels},
                )
                step += 1
        finally:
            stream.close()

    return source


def prefetch(iterator, depth=2, stop=lambda: 0):
    """Run an iterator in a thread of its own, a few items ahead; what it raises is raised here.

    Args:
      iterator: a generator.
      depth: int, items held ready.
      stop: function () -> int, called ten times a second while no item is ready; nonzero ends the generator.

    Yields:
      the iterator's items, in order. Closing this generator ends the thread and closes the iterator.
    """
    ready, ended = queue.Queue(depth), threading.Event()

    def put(item):
        while not ended.is_set():
            try:
                return ready.put(item, timeout=0.1)
            except queue.Full:
                continue

    def work():
        try:
            for item in iterator:
                put((item, None))
                if ended.is_set():
                    break
            put((None, StopIteration()))
        except BaseException as error:  # handed to the consumer, whatever it is: a thread that dies alone would hang the run
            put((None, error))
        finally:
            iterator.close()

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            try:
                item, error = ready.get(timeout=0.1)
            except queue.Empty:
                if stop():
                    return
                continue
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item
    finally:
        ended.set()
        thread.join(JOIN_SECONDS)


def batches(config):
    """Make the training source a run's record asks for: drawn as it trains, read from disk once, or (records) as it trains.

    Args:
      config: config.Config.

    Returns:
      source.

    Raises:
      DataError: the data cannot be read.
    """
    if config.dataset == "synthetic":
        from mtl.data.drawn import synthetic

        blocks = synthetic.Blocks(
            config.seed, style=config.style, difficulty=config.difficulty, workers=config.workers
        )
        return from_stream(
            blocks, config.pool, config.reuse, config.batch_size, config.seed, blocks.check
        )
    from mtl.data import augment, registry

    crops = (
        functools.partial(augment.changed_crops, strength=config.augment)
        if config.augment
        else random_crops
    )
    if config.dataset == "records":
        from mtl.data.records import reader as records_reader

        windows = records_reader.windows(
            config.data_dir, "train", config.batch_size, config.seed, workers=config.workers
        )
        return from_windows(windows, config.seed, crops)
    examples = registry.load(config.dataset, config.data_dir, "train", workers=config.workers)
    return from_arrays(examples, config.batch_size, config.seed, crops)
