"""The batches that training reads out of records: their order, their windows, and what becomes of broken ones."""

import io
import itertools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from mtl.data import images
from mtl.data.records import format as records, manifest, reader as records_reader, stream
from mtl.errors import DataError, NoExamplesError
from tests import record_sets
from tests.data.records import test_format as test_records

TOTAL = 13  # records of `numbered`


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """A directory of three shards, one of them empty; the number of each record is its place."""
    directory = tmp_path_factory.mktemp("numbered")
    made = record_sets.some([str(place) for place in range(TOTAL)])
    record_sets.write(directory, train=[made[:5], [], made[5:]])
    return str(directory)


def take(directory, first, count, batch_size=4, seed=0, workers=2):
    """List `count` batches from step `first` on."""
    iterator = records_reader.windows(directory, "train", batch_size, seed, workers=workers)(first)
    taken = list(itertools.islice(iterator, count))
    iterator.close()
    return taken


def numbers(batches):
    return [int(number) for _, batch in batches for number in batch]


def assert_same(batches, others):
    assert len(batches) == len(others)
    for (windows, numbers_of), (other_windows, other_numbers) in zip(batches, others):
        np.testing.assert_array_equal(windows, other_windows)
        assert numbers_of == other_numbers


# -- order -------------------------------------------------------------------------------------------------------------------------


def test_each_epoch_visits_every_record_once_in_an_order_of_its_own(numbered):
    found = numbers(take(numbered, 0, TOTAL))  # four epochs
    epochs = [tuple(found[first : first + TOTAL]) for first in range(0, 4 * TOTAL, TOTAL)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(TOTAL))
    assert len({*epochs, tuple(range(TOTAL))}) == 5
    other = numbers(take(numbered, 0, TOTAL, seed=1))
    assert sorted(other[:TOTAL]) == list(range(TOTAL)) and tuple(other[:TOTAL]) not in epochs


def test_a_run_from_step_k_continues_the_run_from_0(numbered):
    whole = take(numbered, 0, 11, seed=3)
    for windows, batch in whole:
        assert windows.shape == (4, 64, 64, 3) and windows.dtype == np.uint8 and len(batch) == 4
    for first in (1, 3, 7):  # an epoch ends within steps 3, 6 and 9
        assert_same(take(numbered, first, 11 - first, seed=3), whole[first:])
    # Far along, nothing that went before is read.
    assert numbers(take(numbered, 10**9, 4, batch_size=TOTAL)) != numbers(
        take(numbered, 10**9 + 1, 4, batch_size=TOTAL)
    )


def test_no_number_of_threads_changes_anything(numbered):
    whole = take(numbered, 2, 6, workers=1)
    assert_same(take(numbered, 2, 6, workers=5), whole)
    assert_same(take(numbered, 2, 6, workers=0), whole)


def test_a_batch_may_be_larger_than_an_epoch(numbered):
    found = numbers(
        take(numbered, 1, 2, batch_size=30)
    )  # places 30 to 89 of the stream: epochs 3, 4 and 5 begin at 39, 52 and 65
    assert found == numbers(take(numbered, 0, 90, batch_size=1))[30:]
    for first in (9, 22, 35):
        assert sorted(found[first : first + TOTAL]) == list(range(TOTAL))


@pytest.mark.parametrize("bounds", [{"BUFFER": 3}, {"BUFFER_BYTES": 2000}])
def test_few_records_are_held_at_a_time(tmp_path, monkeypatch, bounds):
    made = record_sets.some([str(place) for place in range(40)])
    record_sets.write(tmp_path, train=[made])
    size = (tmp_path / "train-00000-of-00001.tfrecord").stat().st_size
    held = bounds.get("BUFFER", 2000 * 40 // size)
    assert held in (2, 3)
    for name, value in bounds.items():
        monkeypatch.setattr(stream, name, value)
    found = numbers(take(str(tmp_path), 0, 20))
    assert sorted(found[:40]) == sorted(found[40:]) == list(range(40))
    for epoch in (found[:40], found[40:]):
        # What comes at a place was among the first ones up to there and `held` - 1 more: of a single shard, all else is not yet read.
        ahead = max(number - place for place, number in enumerate(epoch))
        assert ahead == held - 1
    assert_same(take(str(tmp_path), 7, 5), take(str(tmp_path), 0, 12)[7:])


def test_shards_are_read_in_turns_and_in_another_order_each_epoch(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "BUFFER", 1)  # no shuffling after
    monkeypatch.setattr(stream, "OPEN", 2)
    record_sets.write(
        tmp_path,
        train=[
            record_sets.some([f"{shard}{place}" for place in range(3)]) for shard in range(1, 6)
        ],
    )
    found = numbers(take(str(tmp_path), 0, 20, batch_size=6))
    orders = set()
    for epoch in (found[first : first + 15] for first in range(0, 120, 15)):
        shards = [number // 10 for number in epoch]
        assert shards[0::2][:3] == [shards[0]] * 3 and shards[1::2][:3] == [shards[1]] * 3, (
            "two in turns"
        )
        assert [number % 10 for number in epoch[:6]] == [0, 0, 1, 1, 2, 2]
        orders.add(tuple(dict.fromkeys(shards)))
        assert sorted(orders)[0] and sorted(set(shards)) == [1, 2, 3, 4, 5]
    assert len(orders) > 4


def test_splits_that_are_not_there(numbered, tmp_path):
    with pytest.raises(DataError, match="no split 'test', found train"):
        records_reader.windows(numbered, "test", 4, 0)
    record_sets.write(tmp_path, train=[[], []])
    with pytest.raises(NoExamplesError, match="no records in the split train"):
        records_reader.windows(str(tmp_path), "train", 4, 0)


# -- windows -----------------------------------------------------------------------------------------------------------------------


def picture(height, width, seed):
    """Coarse patches with noise on top: edges, flats and every frequency."""
    rng = np.random.default_rng(seed)
    patches = (
        rng.integers(0, 256, (-(-height // 7), -(-width // 7), 3), np.uint8)
        .repeat(7, axis=0)
        .repeat(7, axis=1)[:height, :width]
    )
    return (0.8 * patches + 0.2 * rng.integers(0, 256, patches.shape)).astype(np.uint8)


# Height, width, boxes: shrunk, enlarged, both at once; fractions; beyond each edge; nearly nothing; none.
SHAPES = [
    (33, 47, [(3.0, 4.0, 20.0, 30.0)]),
    (150, 301, [(20.25, 30.5, 120.75, 140.125), (110.0, 20.0, 270.5, 120.0)]),
    (40, 501, [(-30.5, -9.25, 540.0, 61.75)]),
    (301, 19, [(4.5, -60.0, 11.0, 290.5)]),
    (97, 89, [(60.3, 70.7, 300.0, 400.0)]),
    (64, 64, [(50.0, 50.0, 50.9, 51.3)]),
    (211, 128, []),
    (1, 1, []),
    (2, 300, [(100.0, 0.5, 160.0, 1.5)]),
]


def windows_of(directory, made):
    """The window of each Record by the graph, in order."""
    record_sets.write(directory, train=[made])
    found = {}
    for windows, batch in take(str(directory), 0, 1, batch_size=len(made)):
        found.update(zip(batch, windows))
    return [found[record.number] for record in made]


def test_windows_are_those_of_all_other_data_sets(tmp_path):
    made = []
    for i, (height, width, boxes) in enumerate(SHAPES):
        encoded = record_sets.encode(picture(height, width, i))
        number = "123456789"[i] * max(1, len(boxes))
        made.append(records.Record(f"{i}.png", encoded, height, width, number, boxes))
    for record, window in zip(made, windows_of(tmp_path, made)):
        pixels = Image.open(io.BytesIO(record.encoded))
        wanted = images.window(pixels, images.grown(record.boxes) if record.boxes else None).astype(
            int
        )
        # Pillow rounds twice, to bytes after the rows too.
        off = np.abs(window.astype(int) - wanted)
        assert off.max() <= 2 and off.mean() < 0.6, (record.name, off.max(), off.mean())


@pytest.mark.parametrize("kind", ["grey PNG", "PNG with a palette", "JPEG", "grey JPEG"])
def test_other_kinds_of_files(tmp_path, kind):
    pixels = np.kron(
        np.random.default_rng(5).integers(0, 256, (5, 4, 3), np.uint8),
        np.ones((16, 16, 1), np.uint8),
    )
    shown = Image.fromarray(pixels)
    encoded = {
        "grey PNG": lambda: record_sets.encode(shown.convert("L")),
        "PNG with a palette": lambda: record_sets.encode(shown.convert("P")),
        "JPEG": lambda: record_sets.encode(shown, "JPEG", quality=95, subsampling=0),
        "grey JPEG": lambda: record_sets.encode(shown.convert("L"), "JPEG", quality=95),
    }[kind]()
    record = records.Record("a", encoded, 80, 64, "7", [(8.0, 9.0, 50.0, 70.0)])
    (window,) = windows_of(tmp_path, [record])
    off = np.abs(window.astype(int) - records_reader.window(record))
    assert off.max() <= (2 if "PNG" in kind else 6)


def test_numbers_of_any_length(tmp_path):
    made = record_sets.some(["", "0", "007", "12345", "123456789012"])
    record_sets.write(tmp_path, train=[made])
    ((_, batch),) = take(str(tmp_path), 0, 1, batch_size=5)
    assert sorted(batch) == ["", "0", "007", "12345", "123456789012"]


# -- what is broken ------------------------------------------------------------------------------------------------------------------


def failure(directory):
    """The message of the error that training ends with."""
    with pytest.raises(DataError) as caught:
        take(str(directory), 0, 20)
    assert "\n" not in str(caught.value) and "mtl convert" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["no example", "two lengths", "digit 11", "digit -1", "length", "boxes", "box of NaN", "box outside", "other size",
     "bomb by the header", "no picture", "cut short"],
)  # fmt: skip
def test_a_broken_record_stops_the_run_and_is_named(tmp_path, name):
    serialized, said = test_records.BROKEN[name]
    good = record_sets.some(["5", "67", "8"])
    record_sets.write(tmp_path, train=[good, [*good[:2], serialized, good[2]], good])
    message = failure(tmp_path)
    assert (
        message.startswith(f"{tmp_path / 'train-00001-of-00003.tfrecord'}: record 2: ")
        and said in message
    )


@pytest.mark.parametrize("name", test_records.DAMAGE)
def test_a_damaged_shard_stops_the_run_and_is_named(tmp_path, name):
    damage, said = test_records.DAMAGE[name]
    good = record_sets.some(["5", "67", "8"])
    written = record_sets.write(tmp_path, train=[good, good])
    path = tmp_path / "train-00001-of-00002.tfrecord"
    damage(path)
    written["splits"]["train"]["shards"][1]["bytes"] = (
        path.stat().st_size
    )  # else the size alone gives it away
    manifest.write_manifest(str(tmp_path), written)
    assert failure(tmp_path).startswith(f"{path}: {said}")


@pytest.mark.parametrize("claimed, said", [(2, "more than the 2 records"), (4, "3 records, but 4")])
def test_counts_are_held_against_the_manifest(tmp_path, claimed, said):
    good = record_sets.some(["5", "67", "8"])
    written = record_sets.write(tmp_path, train=[good, good])
    split = written["splits"]["train"]
    split["shards"][1]["records"], split["records"] = claimed, 3 + claimed
    manifest.write_manifest(str(tmp_path), written)
    assert failure(tmp_path).startswith(f"{tmp_path / 'train-00001-of-00002.tfrecord'}: {said}")


def test_a_shard_that_goes_away_while_training_is_named(tmp_path):
    record_sets.write(tmp_path, train=[record_sets.some(["5", "67", "8"])])
    start = records_reader.windows(str(tmp_path), "train", 4, 0)
    (tmp_path / "train-00000-of-00001.tfrecord").unlink()
    with pytest.raises(DataError, match="train-00000-of-00001.tfrecord"):
        next(start(0))


def test_what_only_training_refuses_is_named(tmp_path):
    gif = record_sets.encode(np.zeros((9, 17, 3), np.uint8), "GIF")
    made = record_sets.some(["5", "67", "8"])
    record_sets.write(tmp_path, train=[[made[0], made[0]._replace(encoded=gif), made[2]]])
    assert len(records_reader.load(str(tmp_path), "train").numbers) == 3
    message = failure(tmp_path)
    assert (
        message.startswith(f"{tmp_path / 'train-00000-of-00001.tfrecord'}: record 1: ")
        and "JPEG" in message
    )


def test_a_failure_that_no_record_explains_names_the_folder(numbered, monkeypatch):
    def out_of_memory(*arguments):
        raise tf.errors.ResourceExhaustedError(None, None, "out of\nmemory")

    monkeypatch.setattr(tf.Session, "make_callable", lambda *arguments: out_of_memory)
    assert failure(numbered) == f"{numbered}: cannot be read (out of memory); repeat mtl convert"
