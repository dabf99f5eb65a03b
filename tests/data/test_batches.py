"""mtl.data.batches with pictures that carry their own number, so that a batch tells which pictures it was cut from."""

import itertools
import threading
import time
import tracemalloc

import numpy as np
import pytest

from mtl import config, tasks
from mtl.data import batches, pool as pool_lib
from mtl.data.examples import Examples

SIZE = config.WINDOW
OFFSETS = config.WINDOW - config.CROP + 1


def numbered(first, count):
    """Pictures whose blue says which they are, and whose red and green are row and column; their number is the same."""
    images = np.empty((count, SIZE, SIZE, 3), np.uint8)
    images[..., 0], images[..., 1] = np.mgrid[:SIZE, :SIZE]
    images[..., 2] = np.arange(first, first + count)[:, None, None] % 256
    return images, [str(index) for index in range(first, first + count)]


def which(crops):
    """Which picture each crop was cut from."""
    assert (crops[..., 2] == crops[:, :1, :1, 2]).all(), "a crop mixes pictures"
    return crops[:, 0, 0, 2].astype(int)


def check_batch(batch, batch_size):
    """Hold a batch's shapes, dtypes and labels against its pictures; return which pictures it holds."""
    crops, labels = batch
    assert crops.shape == (batch_size, config.CROP, config.CROP, 3) and crops.dtype == np.uint8
    found = which(crops)
    assert list(labels) == [task.name for task in tasks.NUMBER_TASKS]
    expected = tasks.encode_all([str(index) for index in found])
    for name, classes in labels.items():
        assert classes.dtype == np.int32
        np.testing.assert_array_equal(classes, expected[name], err_msg=name)
    return found


def take(source, first, count):
    iterator = source(first)
    batches = list(itertools.islice(iterator, count))
    iterator.close()
    return batches


def assert_same(batches, others):
    assert len(batches) == len(others)
    for (crops, labels), (other_crops, other_labels) in zip(batches, others):
        np.testing.assert_array_equal(crops, other_crops)
        for name in labels:
            np.testing.assert_array_equal(labels[name], other_labels[name])


def different(batches, others):
    return any(
        (crops != other_crops).any() for (crops, _), (other_crops, _) in zip(batches, others)
    )


# -- what is refused -----------------------------------------------------------------------------


def floats(*shape):
    return np.random.default_rng(3).random(shape, np.float32)


FLOATS = "convert floats in 0..1 with np.rint(255 * images).astype(np.uint8)"
INTEGERS = "convert integers in 0..255 with images.astype(np.uint8)"


@pytest.mark.parametrize(
    "images, got",
    [
        (floats(5, 21, 13, 3), f"float32 [5, 21, 13, 3]; {FLOATS}"),
        (floats(5, 21, 13, 3).astype(np.float64), f"float64 [5, 21, 13, 3]; {FLOATS}"),
        (floats(5, 21, 13, 3).astype(np.float16), f"float16 [5, 21, 13, 3]; {FLOATS}"),
        (np.zeros((5, 21, 13, 3), int), f"int64 [5, 21, 13, 3]; {INTEGERS}"),
        (np.zeros((5, 21, 13, 3), np.int8), f"int8 [5, 21, 13, 3]; {INTEGERS}"),
        (np.zeros((5, 21, 13, 3), bool), f"bool [5, 21, 13, 3]; {INTEGERS}"),
        (np.zeros((21, 13, 3), np.uint8), "uint8 [21, 13, 3]; pass one image as images[None]"),
        (np.zeros((5, 21, 13, 1), np.uint8), "uint8 [5, 21, 13, 1]; resize them"),
        (np.zeros((), np.uint8), "uint8 []; resize them"),
        ([[[[7]]]], "list; pass a NumPy array"),
        (None, "NoneType; pass a NumPy array"),
    ],
)  # fmt: skip
def test_images_of_another_type_or_shape_are_refused(images, got):
    with pytest.raises(ValueError) as caught:
        batches.check_images(images)
    wanted = "images must be uint8 [n, height, width, 3] with values 0 to 255"
    assert str(caught.value) == f"{wanted}, got {got}"


def test_tensor_is_not_taken_for_an_array():
    tf = pytest.importorskip("tensorflow.compat.v1")
    with tf.Graph().as_default(), pytest.raises(ValueError, match="Tensor; pass a NumPy array"):
        batches.check_images(tf.placeholder(tf.uint8, [None, None, None, 3]))


def test_uint8_images_of_the_shape_pass():
    batches.check_images(np.zeros((5, 21, 13, 3), np.uint8))
    batches.check_images(np.zeros((0, 21, 13, 3), np.uint8))
    batches.check_images(np.zeros((5, 21, 13, 3), np.uint8)[::2, ::-1])
    batches.check_images(np.zeros((5, 21, 13, 2), np.uint8), ("n", 21, 13, 2), least=13)
    with pytest.raises(ValueError, match=r"^crops must be uint8 \[n, 21, 12, 2\] with values"):
        batches.check_images(np.zeros((5, 21, 13, 2), np.uint8), ("n", 21, 12, 2), "crops")


def test_crops_and_sources_refuse_floats():
    images, numbers = floats(5, 67, 71, 3), list("12345")
    rng = np.random.default_rng(0)

    def windows(first_step):
        yield images, numbers

    def crops(images, indices, stream):
        raise AssertionError("the images are not for the crops")

    for call in (
        lambda: batches.centre_crop(images),
        lambda: batches.random_crops(images, [0], rng),
        lambda: batches.from_arrays(Examples(images, numbers, numbers), 2, 0),
        lambda: next(batches.from_windows(windows, 0, crops)(0)),
    ):
        with pytest.raises(ValueError, match="images must be uint8 .*got float32 .*np.rint"):
            call()


@pytest.mark.parametrize("height, width", [(53, 71), (71, 53)])
def test_images_smaller_than_the_crop_are_refused(height, width):
    images = np.zeros((5, height, width, 3), np.uint8)
    for call in (
        lambda: batches.centre_crop(images),
        lambda: batches.random_crops(images, [0], np.random.default_rng(0)),
    ):
        reason = rf"at least 54 x 54 pixels, got uint8 \[5, {height}, {width}, 3\]; resize"
        with pytest.raises(ValueError, match=reason):
            call()


# -- rounds ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "count, batch_size", list(itertools.product([1, 2, 5, 7, 12], [1, 3, 4, 7, 13]))
)
def test_rounds_walk_through_every_place_in_order(count, batch_size):
    for step in range(2 * count + 3):
        parts = batches.epochs(count, batch_size, step)
        walked = [(number, place) for number, first, last in parts for place in range(first, last)]
        assert walked == [
            divmod(at, count) for at in range(step * batch_size, (step + 1) * batch_size)
        ]
        assert len({number for number, _, _ in parts}) == len(parts), "a round is one part"


# -- crops -------------------------------------------------------------------------------------------------------------------------


def test_random_crops_reach_every_offset_and_no_other():
    draws = 121 * 12
    crops = batches.random_crops(numbered(0, 3)[0], np.arange(draws) % 3, np.random.default_rng(5))
    places = crops[:, 0, 0, :2].astype(int)
    # Each crop is one piece of the picture, not resampled and not wrapped.
    steps = np.arange(config.CROP)
    np.testing.assert_array_equal(crops[:, :, 0, 0], places[:, :1] + steps)
    np.testing.assert_array_equal(crops[:, 0, :, 1], places[:, 1:] + steps)
    assert (crops[:, :, :, 0] == crops[:, :, :1, 0]).all() and (
        crops[:, :, :, 1] == crops[:, :1, :, 1]
    ).all()
    counts = np.zeros((OFFSETS, OFFSETS), int)
    np.add.at(counts, (places[:, 0], places[:, 1]), 1)
    for axis in (0, 1):  # 132 expected, standard deviation 11
        assert counts.sum(axis=axis).min() > 80 and counts.sum(axis=axis).max() < 190
    assert (counts > 0).mean() > 0.99


def test_random_crops_take_the_chosen_pictures_and_write_to_none():
    images, _ = numbered(0, 4)
    before = images.copy()
    crops = batches.random_crops(images, np.array([3, 0, 3]), np.random.default_rng(0), size=7)
    assert crops.shape == (3, 7, 7, 3)
    assert which(crops).tolist() == [3, 0, 3]
    crops[...] = 0
    np.testing.assert_array_equal(images, before)


def test_a_crop_of_the_whole_picture():
    images = np.random.default_rng(1).integers(0, 256, (2, 9, 9, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        batches.random_crops(images, [1, 0], np.random.default_rng(0), size=9), images[::-1]
    )


@pytest.mark.parametrize(
    "height, width, size, top, left", [(9, 11, 5, 2, 3), (8, 6, 3, 2, 1), (5, 5, 5, 0, 0)]
)
def test_centre_crop(height, width, size, top, left):
    images = np.random.default_rng(2).integers(0, 256, (3, height, width, 3), dtype=np.uint8)
    crops = batches.centre_crop(images, size)
    np.testing.assert_array_equal(crops, images[:, top : top + size, left : left + size])
    assert np.shares_memory(crops, images)


def test_random_streams_differ_in_every_part_of_their_key():
    draws = {
        key: batches.generator(*key).integers(2**60)
        for key in itertools.product([0, 1, 2], [1, 2], [0, 1, 2])
    }
    assert len(set(draws.values())) == len(draws)
    assert draws[2, 1, 0] == batches.generator(2, 1, 0).integers(2**60)


# -- a data set in memory ------------------------------------------------------------------------------------------------------------


def in_memory(count, batch_size, seed=0):
    images, numbers = numbered(0, count)
    return batches.from_arrays(Examples(images, numbers, numbers), batch_size, seed)


@pytest.mark.parametrize("count, batch_size", [(12, 4), (7, 3), (5, 13), (1, 2), (6, 6)])
def test_each_round_visits_every_picture_once(count, batch_size):
    steps = -(-4 * count // batch_size)
    found = np.concatenate(
        [check_batch(batch, batch_size) for batch in take(in_memory(count, batch_size), 0, steps)]
    )
    orders = [found[first : first + count].tolist() for first in range(0, 4 * count, count)]
    for order in orders:
        assert sorted(order) == list(range(count))
    if count > 4:
        assert len({tuple(order) for order in orders}) == 4, "each round has an order of its own"


@pytest.mark.parametrize("count, batch_size", [(7, 3), (5, 13)])
def test_a_run_from_step_k_continues_the_run_from_0(count, batch_size):
    source = in_memory(count, batch_size, seed=3)
    whole = take(source, 0, 9)
    for first in range(9):
        assert_same(take(source, first, 9 - first), whole[first:])
    assert_same(take(in_memory(count, batch_size, seed=3), 0, 9), whole)
    assert different(take(in_memory(count, batch_size, seed=4), 0, 9), whole)


def test_a_picture_is_cut_anew_each_time():
    source = batches.from_arrays(Examples(*numbered(0, 2), ["a", "b"]), 2, 0)
    places = {tuple(crop[0, 0, :2]) for crops, _ in take(source, 0, 30) for crop in crops}
    assert len(places) > 30  # of 60 draws among 121 places


# -- a data set without end ------------------------------------------------------------------------------------------------------------


class Blocks:
    """A stand-in for synthetic.Blocks: image i is numbered i. It records what was requested."""

    def __init__(self):
        self.started, self.drawn, self.closed = [], 0, 0

    def __call__(self, first, size):
        self.started.append((first, size))
        try:
            for block in itertools.count(first):
                self.drawn += 1
                yield numbered(block * size, size)
        finally:
            self.closed += 1

    def check(self):
        pass


# pool, reuse, batch: a batch that divides the pool, one that straddles rounds, one larger than the pool, no reuse at all.
STREAMS = [(12, 4, 6), (12, 3, 5), (6, 2, 15), (8, 1, 3), (5, 5, 2)]


@pytest.mark.parametrize("pool, reuse, batch_size", STREAMS)
def test_each_drawn_image_is_used_reuse_times(pool, reuse, batch_size):
    rounds, size = 3 * reuse + 2, pool // reuse
    steps = -(-rounds * pool // batch_size)
    source = pool_lib.from_stream(Blocks(), pool, reuse, batch_size, seed=1)
    found = np.concatenate([check_batch(batch, batch_size) for batch in take(source, 0, steps)])
    for number in range(rounds):
        # Round r holds blocks r .. r + reuse - 1, each image once.
        assert sorted(found[number * pool : (number + 1) * pool]) == list(
            range(number * size, number * size + pool)
        )
    uses = np.bincount(found[: rounds * pool], minlength=(rounds + reuse) * size).reshape(-1, size)
    for block in range(rounds + reuse - 1):
        first_round, last_round = (
            max(0, block - reuse + 1),
            min(block, rounds - 1),
        )  # the first pool goes before its time, block by block
        assert (uses[block] == last_round - first_round + 1).all()
    assert (uses[reuse - 1 : rounds] == reuse).all()


@pytest.mark.parametrize("pool, reuse, batch_size", STREAMS)
def test_a_stream_from_step_k_continues_the_stream_from_0(pool, reuse, batch_size):
    source = pool_lib.from_stream(Blocks(), pool, reuse, batch_size, seed=2)
    whole = take(source, 0, 11)
    for first in range(11):
        assert_same(take(source, first, 11 - first), whole[first:])
    assert different(
        take(pool_lib.from_stream(Blocks(), pool, reuse, batch_size, seed=3), 0, 11), whole
    )


def test_a_stream_far_along_draws_what_it_holds_and_no_more():
    pool, reuse, batch_size, first = 12, 3, 5, 4000
    blocks = Blocks()
    source = pool_lib.from_stream(blocks, pool, reuse, batch_size, seed=0)
    iterator = source(first)
    next(iterator)
    oldest = first * batch_size // pool
    assert blocks.started == [(oldest, pool // reuse)]
    for step in range(first + 1, first + 40):
        next(iterator)
        newest_round = ((step + 1) * batch_size - 1) // pool
        assert blocks.drawn == newest_round - oldest + reuse, (
            "an image is drawn when its round comes, not before"
        )
    assert not blocks.closed
    iterator.close()
    assert blocks.closed == 1


def test_a_stream_holds_one_pool_in_memory():
    pool, reuse, batch_size = 80, 4, 8

    def blank(first, size):
        for _ in itertools.count(first):
            yield np.zeros((size, SIZE, SIZE, 3), np.uint8), ["7"] * size

    iterator = pool_lib.from_stream(blank, pool, reuse, batch_size, seed=0)(0)
    tracemalloc.start()
    try:
        for _ in range(10 * pool // batch_size):  # ten rounds
            next(iterator)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        iterator.close()
    # The pool, two blocks of a quarter of it while one is drawn, and a batch.
    assert peak < 1.7 * pool * SIZE * SIZE * 3


def test_a_batch_is_the_consumers_own():
    source = pool_lib.from_stream(Blocks(), 6, 2, 4, seed=0)
    whole = take(source, 0, 6)
    iterator = source(0)
    for crops, labels in whole:
        got, got_labels = next(iterator)
        np.testing.assert_array_equal(got, crops)
        got[...] = 0  # may not reach into the pool
        for name in labels:
            np.testing.assert_array_equal(got_labels[name], labels[name])
            got_labels[name][...] = 0
    iterator.close()


def test_a_stream_that_fails_is_closed_and_says_so():
    closed = []

    def failing(first, size):
        try:
            yield numbered(0, size)
            raise OSError("no more pictures")
        finally:
            closed.append(True)

    with pytest.raises(OSError, match="no more pictures"):
        take(pool_lib.from_stream(failing, 6, 2, 4, seed=0), 0, 1)
    assert closed == [True]


# -- a data set that is read as it trains --------------------------------------------------------------------------------------------


class Windows:
    """Stands for records_reader.windows(...): batch b holds the pictures 3 b, 3 b + 1, 3 b + 2. Writes down what was asked of it."""

    def __init__(self):
        self.started, self.closed = [], 0

    def __call__(self, first_step):
        self.started.append(first_step)
        try:
            for step in itertools.count(first_step):
                yield numbered(3 * step, 3)
        finally:
            self.closed += 1


def test_batches_of_windows_keep_their_order_and_are_cut_by_step():
    windows = Windows()
    source = batches.from_windows(windows, 5)
    whole = take(source, 0, 6)
    for step, batch in enumerate(whole):
        assert check_batch(batch, 3).tolist() == [3 * step, 3 * step + 1, 3 * step + 2]
        images, _ = numbered(3 * step, 3)
        np.testing.assert_array_equal(
            batch[0], batches.random_crops(images, range(3), batches.generator(5, batches.CROPS, step))
        )
    assert_same(take(source, 4, 2), whole[4:])
    assert (windows.started, windows.closed) == ([0, 4], 2)
    assert different(take(batches.from_windows(Windows(), 6), 0, 6), whole)


# -- prefetch ------------------------------------------------------------------------------------------------------------------------


def prefetch_threads():
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def wait_until(condition):
    end = time.monotonic() + 5.0
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


class Counter:
    """A generator of 0, 1, 2, ... that writes down how far it came, whether it was closed, and in which thread it ran."""

    def __init__(self, fail_at=None):
        self.made, self.closed, self.threads, self.fail_at = 0, 0, set(), fail_at

    def __call__(self):
        try:
            while True:
                self.threads.add(threading.current_thread().name)
                if self.made == self.fail_at:
                    raise ValueError(f"item {self.made} is broken")
                self.made += 1
                yield self.made - 1
        finally:
            self.closed += 1


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_prefetch_keeps_the_order_and_works_ahead_in_its_own_thread(depth):
    counter = Counter()
    ahead = batches.prefetch(counter(), depth)
    assert not prefetch_threads(), "nothing starts before the first item is asked for"
    assert [next(ahead) for _ in range(9)] == list(range(9))
    wait_until(lambda: counter.made == 9 + depth + 1)  # `depth` in the queue and one in hand
    time.sleep(0.15)
    assert counter.made == 9 + depth + 1, "no further ahead than it was told"
    assert counter.threads == {"prefetch"}
    ahead.close()
    assert not prefetch_threads()
    assert counter.closed == 1


def test_prefetch_hands_over_what_the_iterator_raises_after_the_items_before_it():
    counter = Counter(fail_at=4)
    ahead = batches.prefetch(counter())
    assert [next(ahead) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="item 4 is broken"):
        next(ahead)
    assert not prefetch_threads()
    assert counter.closed == 1


def test_closing_prefetch_closes_the_iterator_though_others_hold_it():
    counter = Counter()
    iterator = counter()  # a reference of our own: it is not closed by being forgotten
    ahead = batches.prefetch(iterator)
    assert next(ahead) == 0
    wait_until(lambda: counter.made == 4)  # the queue is full
    assert not counter.closed
    ahead.close()
    assert counter.closed == 1
    assert not prefetch_threads()


def test_prefetch_ends_when_it_is_asked_to_stop_while_no_item_is_ready():
    stuck, asked = threading.Event(), []

    def items():
        yield 0
        stuck.wait(30.0)

    ahead = batches.prefetch(items(), stop=lambda: asked.append(1) or len(asked) > 2)
    assert next(ahead) == 0 and not asked
    threading.Timer(0.5, stuck.set).start()  # the generator joins its thread
    assert next(ahead, None) is None and len(asked) == 3


def test_a_thread_that_is_stuck_is_left_behind(monkeypatch):
    monkeypatch.setattr(batches, "JOIN_SECONDS", 0.2)
    stuck = threading.Event()
    ahead = batches.prefetch((stuck.wait(30.0) for _ in range(2)), stop=lambda: 1)
    assert next(ahead, None) is None and len(prefetch_threads()) == 1
    stuck.set()
    wait_until(lambda: not prefetch_threads())


def test_the_check_of_a_stream_ends_it_at_the_next_batch():
    answers = iter([None, None, ValueError("a worker is gone")])

    def check():
        answer = next(answers)
        if answer:
            raise answer

    blocks = Blocks()
    stream = pool_lib.from_stream(blocks, 12, 4, 6, 0, check)(0)
    assert len(list(itertools.islice(stream, 2))) == 2
    with pytest.raises(ValueError, match="a worker is gone"):
        next(stream)
    assert blocks.closed == 1


def test_closing_prefetch_with_an_error_waiting_in_the_queue():
    counter = Counter(fail_at=2)
    ahead = batches.prefetch(counter())
    assert next(ahead) == 0
    wait_until(lambda: counter.closed == 1)
    ahead.close()
    assert not prefetch_threads()


def test_prefetch_that_was_never_asked_leaves_nothing_behind():
    counter = Counter()
    batches.prefetch(counter()).close()
    assert not prefetch_threads()
    assert counter.made == 0


def test_prefetch_of_an_iterator_with_an_end_ends():
    got = []

    def consume():
        got.extend(batches.prefetch(item for item in range(3)))
        got.append("end")

    consumer = threading.Thread(
        target=consume, daemon=True
    )  # so that waiting for ever fails this test and not the session
    consumer.start()
    consumer.join(1.0)
    assert got == [0, 1, 2, "end"]
