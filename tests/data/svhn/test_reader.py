"""SVHN as MATLAB 7.3 lays it out, in tiny files of our own."""

import zlib

import h5py
import numpy as np
import pytest
from PIL import Image

from mtl.data import images
from mtl.data.svhn import reader
from mtl.errors import DataError
from tests.svhn_files import FIELDS, write_struct

ENTRIES = [
    ("1.png", [(5, 6, 2, 20, 11)]),
    ("2.png", [(2, 3, 4, 9, 12), (1, 12, 5, 8, 12), (10, 21, 6, 9, 12)]),
    ("3.png", []),
    ("4.png", [(10, -2, -3, 50, 60)]),
    ("5.png", [(d, d, 1, 2, 9) for d in range(1, 8)]),
]


def make(directory, entries=ENTRIES, absent=(), damage=None):
    directory.mkdir(parents=True)
    write_struct(directory / "digitStruct.mat", entries, damage)
    for i, (name, _) in enumerate(entries):
        if name not in absent:
            pixels = np.random.default_rng(i).integers(0, 256, (17 + i, 41 - i % 7, 3), np.uint8)
            Image.fromarray(pixels).save(directory / name)
    return directory / "digitStruct.mat"


def error_of(function, *arguments):
    with pytest.raises(DataError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_numbers_windows_and_names(tmp_path):
    make(tmp_path / "test")
    got = reader.load(str(tmp_path), "test")
    assert got.names == [name for name, _ in ENTRIES]
    assert got.numbers == ["5", "210", "", "0", "1234567"]
    assert got.images.shape == (5, 64, 64, 3) and got.images.dtype == np.uint8
    # By hand: 2.png has its digits in 3..30 by 4..18, grown by 0.15 of 27 and of 14 at each side; 5.png begins left of the picture.
    expected = {
        "2.png": (3 - 4.05, 4 - 2.1, 30 + 4.05, 18 + 2.1),
        "3.png": None,
        "1.png": (3, 0.35, 29, 14.65),
    }
    for name, box in expected.items():
        picture = images.read(str(tmp_path / "test" / name))
        np.testing.assert_array_equal(
            got.images[got.names.index(name)], images.window(picture, box)
        )


def test_scalar_struct_of_one_picture_is_written_without_references(tmp_path):
    def inline(file):
        bbox = file["#refs#/b0"]
        del file["digitStruct/name"], file["digitStruct/bbox"]
        file["digitStruct/name"] = file["#refs#/n0"]
        file["digitStruct/bbox"] = bbox

    path = make(tmp_path / "test", ENTRIES[1:2], damage=inline)
    (entry,) = reader.entries(str(path))
    assert (entry.name, entry.number, entry.boxes[2]) == ("2.png", "210", (21, 6, 30, 18))


def test_absent_pictures_are_counted_on_one_line(tmp_path, capsys):
    make(tmp_path / "test", absent=("1.png", "5.png"))
    lines = []
    got = reader.load(str(tmp_path), "test", warn=lines.append)
    assert got.names == ["2.png", "3.png", "4.png"]
    assert len(lines) == 1 and "2 of 5" in lines[0] and "digitStruct.mat" in lines[0]
    reader.load(str(tmp_path), "test")
    out, err = capsys.readouterr()
    assert out == "" and err == lines[0] + "\n"


def test_boxes_of_absent_pictures_are_not_read(tmp_path):
    make(tmp_path / "test", [*ENTRIES, ("6.png", [(11, 0, 0, 5, 5)])], absent=("6.png",))
    assert len(reader.load(str(tmp_path), "test", warn=lambda line: None).names) == 5


def test_first_entry_of_a_picture_named_twice_is_used_and_the_others_are_counted(tmp_path, capsys):
    # The label 11 would be an error if it was read.
    again = [("2.png", [(7, 1, 1, 5, 9)]), ("1.png", [(11, 0, 0, 5, 5)]), ("2.png", [])]
    make(tmp_path / "test", [*ENTRIES[:2], *again, *ENTRIES[2:]], absent=("4.png",))
    lines = []
    got = reader.load(str(tmp_path), "test", warn=lines.append)
    assert got.names == ["1.png", "2.png", "3.png", "5.png"]
    assert got.numbers == ["5", "210", "", "1234567"]
    path = tmp_path / "test" / "digitStruct.mat"
    assert lines == [
        f"{path}: 1 of 5 pictures of the split test are absent and skipped",
        f"{path}: entries of the split test skipped because an earlier one has the same name: 3",
    ]
    reader.load(str(tmp_path), "test")
    assert capsys.readouterr().err.splitlines() == lines


def test_pictures_named_twice_are_counted_in_their_split_alone(tmp_path):
    entries = [(f"{i}.png", [(1 + i % 10, 1, 1, 9, 9)]) for i in range(1, 60)]
    held_out = [entry for entry in entries if zlib.crc32(entry[0].encode()) % 10 == 0]
    make(tmp_path / "train", [*entries, *held_out[:2]])
    lines = []
    assert len(reader.load(str(tmp_path), "train", warn=lines.append).names) == 59 - len(held_out)
    assert lines == []
    validation = reader.load(str(tmp_path), "validation", warn=lines.append)
    assert validation.names == [name for name, _ in held_out]
    assert len(lines) == 1 and "same name: 2" in lines[0]


def test_no_picture_at_all(tmp_path):
    make(tmp_path / "test", absent=[name for name, _ in ENTRIES])
    assert "none of the 5" in error_of(reader.load, str(tmp_path), "test")


def test_validation_is_every_tenth_of_train_by_name(tmp_path):
    entries = [(f"{i}.png", [(1 + i % 10, 1, 1, 9, 9)]) for i in range(1, 60)]
    make(tmp_path / "train", entries)
    train, validation = (reader.load(str(tmp_path), split) for split in ("train", "validation"))
    held_out = [name for name, _ in entries if zlib.crc32(name.encode()) % 10 == 0]
    assert 0 < len(held_out) < 20
    assert validation.names == held_out
    assert train.names == [name for name, _ in entries if name not in held_out]


def test_directory_validation_goes_before_the_held_out_part(tmp_path):
    make(tmp_path / "train", [(f"{i}.png", [(1, 1, 1, 9, 9)]) for i in range(1, 31)])
    make(tmp_path / "validation")
    assert len(reader.load(str(tmp_path), "train").names) == 30
    assert len(reader.load(str(tmp_path), "validation").names) == 5


def test_train_too_small_for_validation(tmp_path):
    make(tmp_path / "train", ENTRIES[:1])
    assert "names no picture of the split validation" in error_of(
        reader.load, str(tmp_path), "validation"
    )


def test_count_reads_the_first(tmp_path):
    make(tmp_path / "extra")
    assert reader.load(str(tmp_path), "extra", count=2).names == ["1.png", "2.png"]


def test_missing_places_name_what_is_there(tmp_path):
    make(tmp_path / "extra")
    assert "found extra" in error_of(reader.load, str(tmp_path), "test")
    assert "nowhere" in error_of(reader.load, str(tmp_path / "nowhere"), "test")
    (tmp_path / "test").mkdir()
    assert "digitStruct.mat: no such file" in error_of(reader.load, str(tmp_path), "test")


def test_not_hdf5_and_cut_short(tmp_path):
    path = make(tmp_path / "test")
    whole = path.read_bytes()
    for damaged in (b"", b"MATLAB 5.0 MAT-file", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        assert "digitStruct.mat" in error_of(reader.load, str(tmp_path), "test")


def put(field, value):
    """Return a damage that writes a value into the second box of the second entry."""

    def damage(file):
        file[f"#refs#/v1{field}1"][0, 0] = value

    return damage


def remove(name):
    def damage(file):
        del file[name]

    return damage


def null_reference(name):
    def damage(file):
        file[name][1, 0] = h5py.Reference()

    return damage


def dangling_reference(file):
    file["digitStruct/bbox"][1, 0] = file.create_dataset("gone", (3,)).ref
    del file["gone"]


def group_for_a_value(file):
    file["#refs#/b1/label"][1, 0] = file["digitStruct"].ref


def fewer_labels(file):
    del file["#refs#/b1/label"]
    file["#refs#/b1/label"] = np.array([[4.0]])


def many_boxes(file):
    del file["#refs#/b1/label"]
    file.create_dataset("#refs#/b1/label", (65, 1), np.float64)


def text_label(file):
    del file["#refs#/b1/label"]
    file["#refs#/b1/label"] = np.array([[b"x"]])


def rename(name):
    def damage(file):
        del file["#refs#/n1"]
        cell = file.create_dataset("#refs#/n1", data=np.array([[ord(c)] for c in name], np.uint16))
        file["digitStruct/name"][1, 0] = cell.ref

    return damage


@pytest.mark.parametrize(
    "damage, reason",
    [
        (put("label", 11), "entry 2 (2.png): the label 11"),
        (put("label", 0), "entry 2 (2.png): the label 0"),
        (put("label", 2.5), "entry 2 (2.png): the label 2.5"),
        (put("label", np.nan), "entry 2 (2.png): a label or a box is not finite"),
        (put("left", np.inf), "entry 2 (2.png): a label or a box is not finite"),
        (fewer_labels, "entry 2 (2.png): label, left, top, width and height differ"),
        (many_boxes, "entry 2 (2.png): 65 values"),
        (null_reference("digitStruct/name"), "entry 2: name is a null reference: fetch"),
        (null_reference("digitStruct/bbox"), "entry 2 (2.png): bbox is a null reference: fetch"),
        (null_reference("#refs#/b1/label"), "entry 2 (2.png): label is a null reference: fetch"),
        (null_reference("#refs#/b1/height"), "entry 2 (2.png): height is a null reference: fetch"),
        (dangling_reference, "entry 2 (2.png): bbox is a reference to an object that is not there"),
        (group_for_a_value, "entry 2 (2.png): an array, a group or a value where SVHN has another"),
        (text_label, "entry 2 (2.png): values of the type |S1"),
        (remove("#refs#/b1/top"), "entry 2 (2.png): no top there"),
        (remove("digitStruct/bbox"), "digitStruct: no bbox there"),
        (remove("digitStruct"), "digitStruct: no digitStruct there"),
        (rename("../2.png"), "entry 2: the name '../2.png'"),
        (rename("2\n.png"), "entry 2: the name '2\\n.png'"),
        (rename("x" * 256), "entry 2: 256 values"),
    ],
)
def test_damage_names_file_and_entry(tmp_path, damage, reason):
    make(tmp_path / "test", damage=damage)
    message = error_of(reader.load, str(tmp_path), "test")
    assert "digitStruct.mat" in message and reason in message


def test_broken_entries_are_told_of_and_passed_over(tmp_path):
    def damage(file):
        put("label", 11)(file)
        del file["#refs#/b0/top"]
        rename("../3.png")(file)  # of the second entry, before its label is read
        many = file.create_group("many")
        for field in FIELDS:
            many.create_dataset(field, (40, 1), h5py.ref_dtype)
        file["digitStruct/bbox"][3, 0] = many.ref

    path = make(tmp_path / "test", [*ENTRIES, ("6.png", [(11, 1, 1, 9, 9)])], damage=damage)
    told = []
    got = list(reader.entries(str(path), on_error=lambda *why: told.append(why)))
    assert [entry.name for entry in got] == ["3.png", "5.png"] and got[1].number == "1234567"
    assert [(name, kind) for name, kind, _ in told] == [
        ("1.png", "entries that cannot be read"),
        ("", "names that are none of a file"),
        ("4.png", "too many boxes, or too long a name"),
        ("6.png", "labels beyond 1 to 10"),
    ]
    assert told[2][2] == "entry 4 (4.png): 40 values, and at most 16 are read"
    assert told[3][2] == "entry 6 (6.png): the label 11 is none of 1 to 10 (10 is the digit 0)"
    assert all("\n" not in message for _, _, message in told)


@pytest.mark.parametrize(
    "place, name",
    [("digitStruct/name", ""), ("digitStruct/bbox", "2.png"), ("#refs#/b1/top", "2.png")],
)
def test_null_references_have_a_kind_of_their_own(tmp_path, place, name):
    path = make(tmp_path / "test", damage=null_reference(place))
    told = []
    got = list(reader.entries(str(path), on_error=lambda *why: told.append(why)))
    assert [entry.name for entry in got] == ["1.png", "3.png", "4.png", "5.png"]
    assert [why[:2] for why in told] == [(name, "null references")]


@pytest.mark.parametrize(
    "error, reason",
    [
        (PermissionError(13, "Unable to open"), "no permission"),
        (BlockingIOError(11, "Unable to lock"), "locked"),
    ],
)
def test_closed_or_locked_file_is_not_reported_as_damaged(tmp_path, monkeypatch, error, reason):
    def closed(*arguments):
        raise error

    make(tmp_path / "test")
    monkeypatch.setattr(h5py, "File", closed)  # root may read anything
    message = error_of(reader.load, str(tmp_path), "test")
    assert f"digitStruct.mat: {reason}" in message
    assert "Unable" not in message and "fetch" not in message


def test_a_file_that_is_no_digitstruct_is_an_error_in_any_case(tmp_path):
    path = make(tmp_path / "test", damage=remove("digitStruct/name"))
    assert "digitStruct" in error_of(
        lambda: list(reader.entries(str(path), on_error=lambda *why: None))
    )
    path.write_bytes(b"")
    assert "not an HDF5 file" in error_of(
        lambda: list(reader.entries(str(path), on_error=lambda *why: None))
    )


def test_numbers_may_be_stored_in_any_type_but_one_at_a_time(tmp_path):
    def small(file):
        cell = file.create_dataset("small", data=np.array([[7]], np.int16))
        file["#refs#/b1/label"][1, 0] = cell.ref

    path = make(tmp_path / "test", damage=small)
    assert [entry.number for entry in reader.entries(str(path))][1] == "270"

    def several(file):
        cell = file.create_dataset("several", data=np.array([[7.0, 8.0]]))
        file["#refs#/b1/label"][1, 0] = cell.ref

    path = make(tmp_path / "two" / "test", damage=several)
    assert "entry 2 (2.png)" in error_of(lambda: list(reader.entries(str(path))))


def test_box_outside_the_picture(tmp_path):
    make(tmp_path / "test", [("1.png", [(1, 500, 1, 9, 9)])])
    message = error_of(reader.load, str(tmp_path), "test")
    assert "entry 1.png" in message and "outside" in message


def test_box_without_width_is_not_reported_as_outside(tmp_path):
    make(tmp_path / "test", [("1.png", [(1, 5, 1, 0, 9)])])
    message = error_of(reader.load, str(tmp_path), "test")
    assert "entry 1.png: the box from 5," in message and "has no width: mend its boxes" in message


def test_broken_picture_is_named(tmp_path):
    make(tmp_path / "test")
    (tmp_path / "test" / "4.png").write_bytes(b"\x89PNG")
    assert "4.png" in error_of(reader.load, str(tmp_path), "test")
