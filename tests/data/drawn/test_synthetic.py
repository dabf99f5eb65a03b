"""The synthetic dataset: each image depends on (seed, split, index) alone.

A worker process takes a second to start, so few of these tests start any.
"""

import itertools
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from mtl import config
from mtl.data.drawn import synthetic
from mtl.errors import DataError
from mtl.inputs import NUMBERS

# One chunk more than is drawn without workers, and not a multiple of a chunk.
MANY = synthetic.FEW_CHUNKS * synthetic.CHUNK + 9


@pytest.fixture(scope="module")
def one_by_one():
    """The first examples of train, seed 3, drawn one at a time in this process."""
    return [synthetic.example(3, "train", index, config.Config.difficulty) for index in range(MANY)]


def assert_drawn(images, numbers, drawn):
    assert numbers == [number for _, number in drawn]
    np.testing.assert_array_equal(images, np.stack([image for image, _ in drawn]))


# -- one image -----------------------------------------------------------------------------------


def test_image_has_no_hidden_state():
    image, number = synthetic.example(5, "train", 12, 0.5)
    assert image.shape == NUMBERS.shape
    assert image.dtype == np.uint8
    np.random.random(3)
    again, same = synthetic.example(5, "train", 12, 0.5)
    np.testing.assert_array_equal(image, again)
    assert number == same


def test_images_differ_by_index_and_split():
    drawn = {
        synthetic.example(0, split, index, 0.5)[0].tobytes()
        for split, index in itertools.product(config.SPLITS, range(12))
    }
    assert len(drawn) == 12 * len(config.SPLITS)


def test_train_depends_on_the_seed():
    for index in range(5):
        one, other = (synthetic.example(seed, "train", index, 0.5)[0] for seed in (0, 1))
        assert (one != other).any()


@pytest.mark.parametrize("split", ["validation", "test"])
def test_validation_and_test_do_not_depend_on_the_seed(split):
    for index in range(5):
        one, other = (synthetic.example(seed, split, index, 0.5) for seed in (0, 1))
        np.testing.assert_array_equal(one[0], other[0])
        assert one[1] == other[1]


def test_train_with_the_fixed_seed_has_other_images():
    def drawn(seed, split):
        return {synthetic.example(seed, split, index, 0.5)[0].tobytes() for index in range(8)}

    train = drawn(synthetic.FIXED_SEED, "train")
    assert not train & (drawn(0, "validation") | drawn(0, "test"))


def test_difficulty_changes_the_image_but_not_the_number():
    for index in range(120):
        easy, hard = (synthetic.example(0, "train", index, difficulty) for difficulty in (0.0, 1.0))
        assert easy[1] == hard[1]
        assert (easy[0] != hard[0]).any()


@pytest.mark.parametrize("difficulty", [0.0, 1.0])
def test_every_length_can_be_drawn(difficulty):
    drawn = [synthetic.example(2, "train", index, difficulty) for index in range(250)]
    assert {len(number) for _, number in drawn} == set(range(len(synthetic.LENGTHS["train"])))
    assert {image.shape for image, _ in drawn} == {NUMBERS.shape}


# -- the numbers ---------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=config.SPLITS)
def split(request):
    return request.param


@pytest.fixture(scope="module")
def numbers(split):
    rng = np.random.Generator(np.random.Philox(20))
    return [synthetic.number(rng, split) for _ in range(5000)]


def chi_square(counts, shares):
    expected = np.array(shares) / np.sum(shares) * np.sum(counts)
    return float(((np.array(counts) - expected) ** 2 / expected).sum())


def test_lengths_have_the_shares_of_their_split(split, numbers):
    shares = synthetic.LENGTHS[split]
    assert sum(shares) == pytest.approx(1.0)
    counts = np.bincount([len(number) for number in numbers])
    assert len(counts) == len(shares)
    assert chi_square(counts, shares) < 24.3  # 7 degrees of freedom: one in a thousand


def test_leading_digits_have_their_shares_and_others_are_uniform(numbers):
    assert synthetic.LEADING.sum() == pytest.approx(1.0)
    leading = np.bincount([int(number[0]) for number in numbers if number], minlength=10)
    others = np.bincount([int(digit) for digit in "".join(number[1:] for number in numbers)])
    # 9 degrees of freedom: one in a thousand.
    assert chi_square(leading, synthetic.LEADING) < 27.9
    assert chi_square(others, np.ones(10)) < 27.9
    assert leading[1] > 1.5 * leading[9]


# -- many images ---------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 5, synthetic.CHUNK + 3])
def test_few_images_are_drawn_without_workers(count, one_by_one, monkeypatch):
    monkeypatch.setattr(synthetic.workers_lib, "Workers", None)
    drawn = synthetic.load("", "train", count=count, seed=3)
    assert_drawn(drawn.inputs, drawn.numbers, one_by_one[:count])
    assert drawn.names == [f"train/{index}" for index in range(count)]


def test_load_passes_difficulty_and_style():
    drawn = synthetic.load("", "test", count=3, style="written", difficulty=0.9, seed=8)
    expected = [synthetic.example(0, "test", index, 0.9, "written") for index in range(3)]
    assert_drawn(drawn.inputs, drawn.numbers, expected)
    houses = synthetic.load("", "test", count=3, difficulty=0.9)
    assert (drawn.inputs != houses.inputs).any(axis=(1, 2, 3)).all()


def test_load_needs_a_known_split_and_a_count():
    with pytest.raises(DataError, match="no split 'extra'; choose one of train, validation, test"):
        synthetic.load("", "extra", count=3)
    with pytest.raises(ValueError, match="count"):
        synthetic.load("", "test")


def pools():
    """List the threads of workers.Workers that are not closed; each serves one process."""
    return [thread for thread in threading.enumerate() if thread.name == "workers"]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_draw_the_same_images_in_the_same_order(workers, one_by_one):
    drawn = synthetic.load("", "train", count=MANY, seed=3, workers=workers)
    assert_drawn(drawn.inputs, drawn.numbers, one_by_one)
    assert len(drawn.names) == MANY
    assert not pools()


@pytest.mark.slow
def test_blocks_are_consecutive_parts_of_train(one_by_one):
    size, first = synthetic.CHUNK + 6, 1  # more than one chunk
    stream = synthetic.Blocks(3, difficulty=config.Config.difficulty, workers=2)(first, size)
    for block, (images, numbers) in enumerate(itertools.islice(stream, 2), start=first):
        assert images.dtype == np.uint8
        assert_drawn(images, numbers, one_by_one[block * size : (block + 1) * size])
    assert pools(), "no worker draws ahead"
    stream.close()
    assert not pools(), "workers run after close()"


# It has no `if __name__ == "__main__":`, so a process that imports it would start over.
SCRIPT = f"""
from mtl import config
from mtl.data import registry
drawn = registry.load("synthetic", "", "test", count={MANY}, workers=2)
print(len(drawn.numbers), drawn.inputs.shape)
stream = registry.opened(config.Config(pool=6, reuse=2, batch_size=3, workers=1)).source(0)
images, labels = next(stream)
stream.close()
print(images.shape, list(labels)[0])
"""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["file", "stdin"])
def test_script_without_a_main_guard_draws_with_workers(tmp_path, where):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    command = [sys.executable, path] if where == "file" else [sys.executable, "-"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        command, input=SCRIPT, capture_output=True, text=True, env=environment, timeout=120
    )
    lines = [f"{MANY} ({MANY}, 64, 64, 3)", "(3, 54, 54, 3) length"]
    assert (done.returncode, done.stderr, done.stdout.splitlines()) == (0, "", lines)
