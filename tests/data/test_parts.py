"""Workers that train together: their parts of a batch are the batch of one machine."""

import numpy as np
import pytest

from mtl.data import augment, batches, pool
from mtl.data.examples import of_numbers
from mtl.data.records import reader
from mtl.errors import DataError
from mtl.inputs import NUMBERS
from tests import record_sets
from tests.data.numbered import Blocks, assert_same, numbered, take

SIZE = 6  # of the whole batch
PARTS = [batches.Part(SIZE, 0, 1), batches.Part(SIZE, 1, 4), batches.Part(SIZE, 4, 6)]


def in_memory(part, crops=batches.random_crops):
    images, numbers = numbered(0, 7)
    return batches.from_arrays(of_numbers(images, numbers, numbers), SIZE, 3, crops, part)


def streamed(part):
    keep = part.keep if part else slice(None)
    return pool.from_stream(Blocks(), 12, 3, SIZE, 3, keep=keep)


@pytest.fixture
def records(tmp_path):
    """Return the function Part -> source of 11 records in three shards."""
    made = record_sets.some([str(index) for index in range(11)])
    record_sets.write(tmp_path, train=[made[:4], [], made[4:]])

    def source(part):
        windows = reader.windows(str(tmp_path), "train", SIZE, 3, workers=1, part=part)
        return batches.from_windows(windows, 3, part=part)

    return source


def joined(source_of, first=2, count=4):
    """Return the batches of all parts, put together."""
    found = []
    for pieces in zip(*(take(source_of(part), first, count) for part in PARTS)):
        crops = np.concatenate([piece[0] for piece in pieces])
        labels = {
            name: np.concatenate([piece[1][name] for piece in pieces]) for name in pieces[0][1]
        }
        found.append((crops, labels))
    return found


@pytest.mark.parametrize("source_of", [in_memory, streamed], ids=["in memory", "a pool"])
def test_parts_are_the_batches_of_one_machine(source_of):
    assert_same(joined(source_of), take(source_of(None), 2, 4))


def test_parts_of_records_are_the_batches_of_one_machine(records):
    assert_same(joined(records), take(records(None), 2, 4))


def test_records_of_other_parts_are_not_decoded(tmp_path):
    good, broken = record_sets.some(["1", "2"]), record_sets.some(["3"])[0]
    broken = broken._replace(encoded=broken.encoded[: len(broken.encoded) // 2])
    record_sets.write(tmp_path, train=[[*good, broken]])
    order = reader.windows(str(tmp_path), "train", 3, 0, workers=1)
    with pytest.raises(DataError, match="train"):
        next(order(0))
    decoded = 0
    for number in range(3):
        part = batches.Part(3, number, number + 1)
        stream = reader.windows(str(tmp_path), "train", 3, 0, workers=1, part=part)(0)
        try:
            images, _ = next(stream)
        except DataError:
            continue
        decoded += len(images)
    assert decoded == 2


def test_augmented_parts_have_the_examples_of_one_machine_and_their_own_changes():
    crops = augment.crops(0.8, NUMBERS)
    whole, parts = (
        take(in_memory(None, crops), 0, 3),
        joined(lambda part: in_memory(part, crops), 0, 3),
    )
    for (changed, labels), (others, other_labels) in zip(whole, parts):
        for name in labels:
            np.testing.assert_array_equal(labels[name], other_labels[name])
        np.testing.assert_array_equal(changed[:1], others[:1])  # the first part begins the batch
        assert (changed[1:] != others[1:]).any(axis=(1, 2, 3)).all()


def test_a_repeated_part_has_the_same_changes():
    crops = augment.crops(0.8, NUMBERS)
    assert_same(take(in_memory(PARTS[1], crops), 1, 2), take(in_memory(PARTS[1], crops), 1, 2))
