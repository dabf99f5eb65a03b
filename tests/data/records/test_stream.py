"""The training batches of records: their order, their windows, and errors of broken records."""

import io
import itertools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from mtl import tasks
from mtl.data import images
from mtl.data.examples import numbers_inputs
from mtl.data.records import content, format as records, manifest, reader, stream
from mtl.errors import DataError, NoExamplesError
from tests import record_sets
from tests.data.records.broken import BROKEN, DAMAGE

pytestmark = pytest.mark.slow

TOTAL = 13  # records of `numbered`


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """A folder of three shards, one of them empty. The number of each record is its index."""
    directory = tmp_path_factory.mktemp("numbered")
    made = record_sets.some([str(index) for index in range(TOTAL)])
    record_sets.write(directory, train=[made[:5], [], made[5:]])
    return str(directory)


def take(directory, first, count, batch_size=4, seed=0, workers=2):
    """Return `count` batches from step `first`."""
    iterator = reader.windows(str(directory), "train", batch_size, seed, workers=workers)(first)
    taken = list(itertools.islice(iterator, count))
    iterator.close()
    return taken


def numbers_of(batch):
    """Return the numbers of a batch of labels; its numbers have at most five digits."""
    rows = zip(*batch.values())
    return [tasks.decode(dict(zip(batch, row))) for row in rows]


def numbers(batches):
    return [int(number) for _, batch in batches for number in numbers_of(batch)]


def assert_same(batches, others):
    assert len(batches) == len(others)
    for (windows, labels), (other_windows, other_labels) in zip(batches, others):
        np.testing.assert_array_equal(windows, other_windows)
        assert numbers_of(labels) == numbers_of(other_labels)


# -- order -----------------------------------------------------------------------------------------


def test_each_epoch_visits_every_record_once_in_a_new_order(numbered):
    found = numbers(take(numbered, 0, TOTAL))  # four epochs
    epochs = [tuple(found[first : first + TOTAL]) for first in range(0, 4 * TOTAL, TOTAL)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(TOTAL))
    assert len({*epochs, tuple(range(TOTAL))}) == 5
    other = numbers(take(numbered, 0, TOTAL, seed=1))
    assert sorted(other[:TOTAL]) == list(range(TOTAL))
    assert tuple(other[:TOTAL]) not in epochs


def test_stream_from_step_k_continues_the_stream_from_0(numbered):
    whole = take(numbered, 0, 11, seed=3)
    for windows, batch in whole:
        assert windows.shape == (4, 64, 64, 3)
        assert windows.dtype == np.uint8
        assert len(numbers_of(batch)) == 4
    for first in (1, 3, 7):  # an epoch ends within steps 3, 6 and 9
        assert_same(take(numbered, first, 11 - first, seed=3), whole[first:])


def test_late_start_reads_none_of_the_earlier_epochs(numbered):
    # It would take hours.
    late = numbers(take(numbered, 10**9, 4, batch_size=TOTAL))
    assert late != numbers(take(numbered, 10**9 + 1, 4, batch_size=TOTAL))


def test_number_of_threads_changes_nothing(numbered):
    whole = take(numbered, 2, 6, workers=1)
    assert_same(take(numbered, 2, 6, workers=5), whole)
    assert_same(take(numbered, 2, 6, workers=0), whole)


def test_batch_may_be_larger_than_an_epoch(numbered):
    found = numbers(take(numbered, 1, 2, batch_size=30))  # positions 30 to 89 of the stream
    assert found == numbers(take(numbered, 0, 90, batch_size=1))[30:]
    for first in (9, 22, 35):  # epochs 3, 4 and 5 begin at 39, 52 and 65
        assert sorted(found[first : first + TOTAL]) == list(range(TOTAL))


@pytest.mark.parametrize("limits", [{"BUFFER": 3}, {"BUFFER_BYTES": 2000}])
def test_shuffle_buffer_is_limited(tmp_path, monkeypatch, limits):
    record_sets.write(tmp_path, train=[record_sets.some([str(index) for index in range(40)])])
    size = (tmp_path / "train-00000-of-00001.tfrecord").stat().st_size
    buffered = limits.get("BUFFER", 2000 * 40 // size)
    assert buffered in (2, 3)
    for name, value in limits.items():
        monkeypatch.setattr(stream, name, value)
    found = numbers(take(tmp_path, 0, 20))
    assert sorted(found[:40]) == sorted(found[40:]) == list(range(40))
    for epoch in (found[:40], found[40:]):
        # A record is at most `buffered` - 1 positions early: the later ones are not yet read.
        assert max(number - position for position, number in enumerate(epoch)) == buffered - 1
    assert_same(take(tmp_path, 7, 5), take(tmp_path, 0, 12)[7:])


def test_shards_are_interleaved_in_a_new_order_each_epoch(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "BUFFER", 1)  # no shuffling of records
    monkeypatch.setattr(stream, "OPEN", 2)
    shards = [[f"{shard}{index}" for index in range(3)] for shard in range(1, 6)]
    record_sets.write(tmp_path, train=[record_sets.some(shard) for shard in shards])
    found = numbers(take(tmp_path, 0, 20, batch_size=6))
    orders = set()
    for epoch in (found[first : first + 15] for first in range(0, 120, 15)):
        order = [number // 10 for number in epoch]
        # Two shards in turns.
        assert order[:6] == [order[0], order[1]] * 3
        assert [number % 10 for number in epoch[:6]] == [0, 0, 1, 1, 2, 2]
        assert sorted(set(order)) == [1, 2, 3, 4, 5]
        orders.add(tuple(dict.fromkeys(order)))
    assert len(orders) > 4


def test_missing_and_empty_splits_are_errors(numbered, tmp_path):
    with pytest.raises(DataError, match="no split 'test', found train"):
        reader.windows(numbered, "test", 4, 0)
    record_sets.write(tmp_path, train=[[], []])
    with pytest.raises(NoExamplesError, match="no records in the split train"):
        reader.windows(str(tmp_path), "train", 4, 0)


# -- windows ---------------------------------------------------------------------------------------


def patches(height, width, seed):
    """Return coarse patches with noise, which have edges, flat parts and every frequency."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (-(-height // 7), -(-width // 7), 3), np.uint8)
    flat = coarse.repeat(7, axis=0).repeat(7, axis=1)[:height, :width]
    return (0.8 * flat + 0.2 * rng.integers(0, 256, flat.shape)).astype(np.uint8)


# Height, width, boxes: shrunk, enlarged, both; fractions; beyond each edge; tiny; without boxes.
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
    """Return the window that the graph cuts for each Record."""
    record_sets.write(directory, train=[made])
    ((windows, batch),) = take(directory, 0, 1, batch_size=len(made))
    found = dict(zip(numbers_of(batch), windows))
    return [found[record.number] for record in made]


def test_windows_are_those_of_other_datasets(tmp_path):
    made = []
    for i, (height, width, boxes) in enumerate(SHAPES):
        encoded = record_sets.encode(patches(height, width, i))
        number = "123456789"[i] * max(1, len(boxes))
        made.append(records.Record(f"{i}.png", encoded, height, width, number, boxes))
    for record, window in zip(made, windows_of(tmp_path, made)):
        image = Image.open(io.BytesIO(record.encoded))
        wanted = images.window(image, images.grown(record.boxes) if record.boxes else None)
        off = np.abs(window.astype(int) - wanted)
        # Pillow rounds twice: it stores bytes between the two axes.
        assert off.max() <= 2, record.name
        assert off.mean() < 0.6, record.name


def test_numbers_may_have_a_window_of_another_size(tmp_path):
    (record,) = record_sets.some(["12"])
    found = content.Content(inputs=numbers_inputs(window=40))
    record_sets.write(tmp_path, train=[[record]])
    batch, _ = next(reader.windows(str(tmp_path), "train", 1, 0, workers=1, found=found)(0))
    wanted = reader.load(str(tmp_path), "train", window=40).inputs
    assert batch.shape == wanted.shape == (1, 40, 40, 3)
    assert np.abs(batch.astype(int) - wanted).max() <= 2


@pytest.mark.parametrize(
    "mode, kind, options, most",
    [
        ("L", "PNG", {}, 2),
        ("P", "PNG", {}, 2),
        ("RGB", "JPEG", {"quality": 95, "subsampling": 0}, 6),
        ("L", "JPEG", {"quality": 95}, 6),
    ],
)
def test_reads_other_kinds_of_files(tmp_path, mode, kind, options, most):
    coarse = np.random.default_rng(5).integers(0, 256, (5, 4, 3), np.uint8)
    pixels = np.kron(coarse, np.ones((16, 16, 1), np.uint8))
    encoded = record_sets.encode(Image.fromarray(pixels).convert(mode), kind, **options)
    record = records.Record("a", encoded, 80, 64, "7", [(8.0, 9.0, 50.0, 70.0)])
    (window,) = windows_of(tmp_path, [record])
    assert np.abs(window.astype(int) - reader.window(record)).max() <= most


def test_numbers_may_have_any_length(tmp_path):
    some = ["", "0", "007", "12345", "123456789012"]
    record_sets.write(tmp_path, train=[record_sets.some(some)])
    ((_, batch),) = take(tmp_path, 0, 1, batch_size=5)
    expected = sorted(tuple(tasks.encode(number).values()) for number in some)
    assert sorted(zip(*batch.values())) == expected


# -- errors ----------------------------------------------------------------------------------------


def failure(directory):
    """Return the message of the error that ends training."""
    with pytest.raises(DataError) as caught:
        take(directory, 0, 20)
    message = str(caught.value)
    assert "\n" not in message
    assert "mtl convert" in message
    return message


# One of each kind of BROKEN: each takes a second.
SELECTED = [
    "no example",
    "two lengths",
    "digit 11",
    "digit -1",
    "length",
    "boxes",
    "box of NaN",
    "box outside",
    "other size",
    "bomb by the header",
    "no image",
    "truncated",
]


@pytest.mark.parametrize("name", SELECTED)
def test_broken_record_ends_the_run_and_is_named(tmp_path, name):
    serialized, reason = BROKEN[name]
    good = record_sets.some(["5", "67", "8"])
    record_sets.write(tmp_path, train=[good, [*good[:2], serialized, good[2]], good])
    message = failure(tmp_path)
    assert message.startswith(f"{tmp_path / 'train-00001-of-00003.tfrecord'}: record 2: ")
    assert reason in message


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_shard_ends_the_run_and_is_named(tmp_path, damage):
    good = record_sets.some(["5", "67", "8"])
    written = record_sets.write(tmp_path, train=[good, good])
    path = tmp_path / "train-00001-of-00002.tfrecord"
    damage(path)
    # Else the size alone would be an error.
    written["splits"]["train"]["shards"][1]["bytes"] = path.stat().st_size
    manifest.write_manifest(str(tmp_path), written)
    assert failure(tmp_path).startswith(f"{path}: {DAMAGE[damage]}")


@pytest.mark.parametrize(
    "claimed, reason", [(2, "more than the 2 records"), (4, "3 records, but 4")]
)
def test_number_of_records_must_be_the_manifests(tmp_path, claimed, reason):
    good = record_sets.some(["5", "67", "8"])
    written = record_sets.write(tmp_path, train=[good, good])
    split = written["splits"]["train"]
    split["shards"][1]["records"], split["records"] = claimed, 3 + claimed
    manifest.write_manifest(str(tmp_path), written)
    assert failure(tmp_path).startswith(f"{tmp_path / 'train-00001-of-00002.tfrecord'}: {reason}")


def test_shard_that_disappears_during_training_is_named(tmp_path):
    record_sets.write(tmp_path, train=[record_sets.some(["5", "67", "8"])])
    start = reader.windows(str(tmp_path), "train", 4, 0)
    (tmp_path / "train-00000-of-00001.tfrecord").unlink()
    with pytest.raises(DataError, match="train-00000-of-00001.tfrecord"):
        next(start(0))


def test_image_that_only_training_rejects_is_named(tmp_path):
    gif = record_sets.encode(np.zeros((9, 17, 3), np.uint8), "GIF")
    made = record_sets.some(["5", "67", "8"])
    record_sets.write(tmp_path, train=[[made[0], made[0]._replace(encoded=gif), made[2]]])
    assert len(reader.load(str(tmp_path), "train").numbers) == 3
    message = failure(tmp_path)
    assert message.startswith(f"{tmp_path / 'train-00000-of-00001.tfrecord'}: record 1: ")
    assert "JPEG" in message


def fail_with(monkeypatch, error):
    """Make every step of the stream fail with a TensorFlow error."""

    def fail(*arguments):
        raise error

    monkeypatch.setattr(tf.Session, "make_callable", lambda *arguments: fail)


def test_failure_without_a_broken_record_names_the_folder(numbered, monkeypatch):
    fail_with(monkeypatch, tf.errors.UnknownError(None, None, "input\nerror"))
    assert failure(numbered) == f"{numbered}: cannot be read (input error); repeat mtl convert"


def test_lack_of_memory_is_not_blamed_on_the_records(numbered, monkeypatch):
    fail_with(monkeypatch, tf.errors.ResourceExhaustedError(None, None, "out of memory"))
    with pytest.raises(tf.errors.ResourceExhaustedError):
        next(reader.windows(str(numbered), "train", 4, 0)(0))
