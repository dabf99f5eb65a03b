"""mtl.data.drawn.synthetic: each image is a pure function of (seed, split, index), however many processes draw it.

Worker processes start anew and import NumPy and Pillow, about a second each time: few of these tests start any.
"""

import itertools
import multiprocessing

import numpy as np
import pytest

from mtl import config
from mtl.data.drawn import synthetic

# Just past what is drawn without workers, and no multiple of a worker's chunk.
MANY = 4 * synthetic.CHUNK + 9


@pytest.fixture(scope="module")
def one_by_one():
    """What there is to draw, drawn here, one image at a time."""
    return [synthetic.example(3, "train", index, config.Config.difficulty) for index in range(MANY)]


def assert_drawn(images, numbers, drawn):
    assert numbers == [text for _, text in drawn]
    np.testing.assert_array_equal(images, np.stack([image for image, _ in drawn]))


# -- one image -----------------------------------------------------------------------------------------------------------------------


def test_an_image_is_the_same_on_any_day():
    image, text = synthetic.example(5, "train", 12, 0.5)
    assert (
        image.shape == (config.WINDOW, config.WINDOW, config.CHANNELS) and image.dtype == np.uint8
    )
    np.random.default_rng().random(3)  # nothing hidden is read or moved
    again, same = synthetic.example(5, "train", 12, 0.5)
    np.testing.assert_array_equal(image, again)
    assert text == same


def test_images_differ_by_index_and_split():
    drawn = [
        synthetic.example(0, split, index, 0.5)[0].tobytes()
        for split in config.SPLITS
        for index in range(12)
    ]
    assert len(set(drawn)) == len(drawn)


def test_train_follows_the_seed_and_the_fixed_splits_do_not():
    for index in range(5):
        one, other = (
            synthetic.example(0, "train", index, 0.5)[0],
            synthetic.example(1, "train", index, 0.5)[0],
        )
        assert (one != other).any()
        for split in ("validation", "test"):
            one, other = (
                synthetic.example(0, split, index, 0.5),
                synthetic.example(1, split, index, 0.5),
            )
            np.testing.assert_array_equal(one[0], other[0])
            assert one[1] == other[1]


def test_a_train_seed_that_equals_the_fixed_one_shows_no_test_image():
    train = {
        synthetic.example(synthetic.FIXED_SEED, "train", index, 0.5)[0].tobytes()
        for index in range(8)
    }
    fixed = {
        synthetic.example(0, split, index, 0.5)[0].tobytes()
        for split in ("validation", "test")
        for index in range(8)
    }
    assert not train & fixed


def test_difficulty_changes_the_image_and_not_the_number():
    easy, hard = (
        [synthetic.example(0, "train", index, difficulty) for index in range(120)]
        for difficulty in (0.0, 1.0)
    )
    assert [text for _, text in easy] == [text for _, text in hard]
    assert all((one != other).any() for (one, _), (other, _) in zip(easy, hard))


@pytest.mark.parametrize("difficulty", [0.0, 1.0])
def test_every_length_is_drawn_at_any_difficulty(difficulty):
    drawn = [synthetic.example(2, "train", index, difficulty) for index in range(250)]
    assert {len(text) for _, text in drawn} == set(range(len(synthetic.LENGTHS["train"])))
    assert all(image.shape == (config.WINDOW, config.WINDOW, 3) for image, _ in drawn)


# -- the numbers -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=config.SPLITS)
def numbers_of(request):
    stream = np.random.Generator(np.random.Philox(20))
    return request.param, [synthetic.number(stream, request.param) for _ in range(5000)]


@pytest.fixture(scope="module")
def numbers(numbers_of):
    return numbers_of[1]


def chi_square(counts, shares):
    expected = np.array(shares) / np.sum(shares) * np.sum(counts)
    return float(((np.array(counts) - expected) ** 2 / expected).sum())


def test_lengths_follow_the_shares_of_their_split(numbers_of):
    split, numbers = numbers_of
    shares = synthetic.LENGTHS[split]
    assert sum(shares) == pytest.approx(1.0)
    counts = np.bincount([len(number) for number in numbers])
    assert len(counts) == len(shares)
    assert chi_square(counts, shares) < 24.3  # 7 degrees of freedom: one in a thousand


def test_leading_digits_follow_their_shares_and_the_others_are_even(numbers):
    assert synthetic.LEADING.sum() == pytest.approx(1.0)
    assert all(number == "" or (number.isascii() and number.isdigit()) for number in numbers)
    leading = np.bincount([int(number[0]) for number in numbers if number], minlength=10)
    others = np.bincount([int(digit) for number in numbers for digit in number[1:]], minlength=10)
    # 9 degrees of freedom: one in a thousand.
    assert chi_square(leading, synthetic.LEADING) < 27.9
    assert chi_square(others, np.ones(10)) < 27.9
    assert leading[1] > 1.5 * leading[9]


# -- many images -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 5, synthetic.CHUNK + 3])
def test_a_few_examples_are_drawn_here(count, one_by_one, monkeypatch):
    monkeypatch.setattr(synthetic.workers_lib, "Workers", None)
    drawn = synthetic.examples("train", count, seed=3)
    assert_drawn(drawn.images, drawn.numbers, one_by_one[:count])
    assert drawn.names == [f"train/{index}" for index in range(count)]


def test_examples_take_difficulty_and_split():
    drawn = synthetic.examples("test", 4, difficulty=0.9, seed=8)
    assert_drawn(
        drawn.images,
        drawn.numbers,
        [synthetic.example(0, "test", index, 0.9) for index in range(4)],
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_draw_the_same_images_in_the_same_order(workers, one_by_one):
    drawn = synthetic.examples("train", MANY, seed=3, workers=workers)
    assert_drawn(drawn.images, drawn.numbers, one_by_one)
    assert len(drawn.names) == MANY
    assert not multiprocessing.active_children()


def test_blocks_are_the_train_stream_cut_in_pieces(one_by_one):
    size, first = synthetic.CHUNK + 6, 1  # a block is more than one worker's chunk
    stream = synthetic.Blocks(3, difficulty=config.Config.difficulty, workers=2)(first, size)
    for block, (images, numbers) in enumerate(itertools.islice(stream, 2), start=first):
        assert images.dtype == np.uint8
        assert_drawn(images, numbers, one_by_one[block * size : (block + 1) * size])
    assert multiprocessing.active_children(), "workers draw ahead"
    stream.close()
    assert not multiprocessing.active_children(), "closing ends the workers"


def test_another_style_shows_amounts_written_by_hand():
    written = synthetic.examples("validation", 3, style="written", difficulty=0.5)
    assert_drawn(
        written.images,
        written.numbers,
        [synthetic.example(0, "validation", index, 0.5, "written") for index in range(3)],
    )
    houses = synthetic.examples("validation", 3, difficulty=0.5)
    assert (written.images != houses.images).any(axis=(1, 2, 3)).all()
