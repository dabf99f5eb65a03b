"""Reading digitStruct.mat, whole and damaged."""

import h5py
import numpy as np
import pytest

from mtl.data.svhn import digit_struct
from mtl.errors import DataError
from tests.data.svhn.test_reader import ENTRIES
from tests.svhn_files import FIELDS, write_struct


def entries(tmp_path, listed=ENTRIES, damage=None, **options):
    """Write a digitStruct.mat and read it."""
    write_struct(tmp_path / "digitStruct.mat", listed, damage)
    return list(digit_struct.entries(str(tmp_path / "digitStruct.mat"), **options))


def error_of(tmp_path, damage, **options):
    with pytest.raises(DataError) as caught:
        entries(tmp_path, damage=damage, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{tmp_path / 'digitStruct.mat'}: ")
    return message


def test_reads_names_numbers_and_boxes(tmp_path):
    got = entries(tmp_path)
    assert [entry.name for entry in got] == [name for name, _ in ENTRIES]
    assert [entry.number for entry in got] == ["5", "210", "", "0", "1234567"]
    assert got[0].boxes == [(6, 2, 26, 13)]
    assert got[1].boxes[2] == (21, 6, 30, 18)
    assert got[2].boxes == []


def test_reads_a_file_of_one_image_which_has_no_references(tmp_path):
    def without_references(file):
        bbox = file["#refs#/b0"]
        del file["digitStruct/name"], file["digitStruct/bbox"]
        file["digitStruct/name"] = file["#refs#/n0"]
        file["digitStruct/bbox"] = bbox

    (entry,) = entries(tmp_path, ENTRIES[1:2], without_references)
    assert (entry.name, entry.number, entry.boxes[2]) == ("2.png", "210", (21, 6, 30, 18))


def test_boxes_of_unwanted_entries_are_not_read(tmp_path):
    broken = ("6.png", [(11, 0, 0, 5, 5)])
    got = entries(tmp_path, [*ENTRIES, broken], wanted=lambda name: name != "6.png")
    assert len(got) == len(ENTRIES)


def test_numbers_may_have_any_type(tmp_path):
    def small(file):
        file["#refs#/b1/label"][1, 0] = file.create_dataset("small", data=np.int16([[7]])).ref

    assert entries(tmp_path, damage=small)[1].number == "270"


# -- damage --------------------------------------------------------------------------------------


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


def rename(name):
    """Return a damage that gives the second entry another file name."""

    def damage(file):
        characters = np.array([[ord(character)] for character in name], np.uint16)
        file["digitStruct/name"][1, 0] = file.create_dataset("name", data=characters).ref

    return damage


def dangling_reference(file):
    file["digitStruct/bbox"][1, 0] = file.create_dataset("gone", (3,)).ref
    del file["gone"]


def group_for_a_value(file):
    file["#refs#/b1/label"][1, 0] = file["digitStruct"].ref


def two_values_for_one(file):
    file["#refs#/b1/label"][1, 0] = file.create_dataset("two", data=np.array([[7.0, 8.0]])).ref


def labels(values):
    """Return a damage that replaces the labels of the second entry."""

    def damage(file):
        del file["#refs#/b1/label"]
        file["#refs#/b1/label"] = values

    return damage


@pytest.mark.parametrize(
    "damage, reason",
    [
        (put("label", 11), "entry 2 (2.png): the label 11 is not one of 1 to 10"),
        (put("label", 0), "entry 2 (2.png): the label 0 "),
        (put("label", 2.5), "entry 2 (2.png): the label 2.5 "),
        (put("label", np.nan), "entry 2 (2.png): a label or a box is not finite"),
        (put("left", np.inf), "entry 2 (2.png): a label or a box is not finite"),
        (labels(np.array([[4.0]])), "entry 2 (2.png): label, left, top, width and height differ"),
        (labels(np.zeros((65, 1))), "entry 2 (2.png): 65 values"),
        (labels(np.array([[b"x"]])), "entry 2 (2.png): values of the type |S1"),
        (null_reference("digitStruct/name"), "entry 2: name is a null reference; download"),
        (null_reference("digitStruct/bbox"), "entry 2 (2.png): bbox is a null reference;"),
        (null_reference("#refs#/b1/label"), "entry 2 (2.png): label is a null reference;"),
        (null_reference("#refs#/b1/height"), "entry 2 (2.png): height is a null reference;"),
        (dangling_reference, "entry 2 (2.png): bbox is a reference to an object that does not"),
        (group_for_a_value, "entry 2 (2.png): an array, a group or a value where SVHN has another"),
        (two_values_for_one, "entry 2 (2.png): HDF5 cannot read it"),
        (remove("#refs#/b1/top"), "entry 2 (2.png): top is missing"),
        (remove("digitStruct/bbox"), "digitStruct: bbox is missing"),
        (remove("digitStruct"), "digitStruct: digitStruct is missing"),
        (rename("../2.png"), "entry 2: '../2.png' is not the name of a file beside it"),
        (rename("2\n.png"), "entry 2: '2\\n.png'"),
        (rename("x" * 256), "entry 2: 256 values"),
    ],
)
def test_damage_is_named_with_its_entry(tmp_path, damage, reason):
    assert reason in error_of(tmp_path, damage)


def test_on_error_skips_broken_entries(tmp_path):
    def damage(file):
        put("label", 11)(file)
        del file["#refs#/b0/top"]
        rename("../3.png")(file)  # the second entry, whose label is then not read
        many = file.create_group("many")
        for field in FIELDS:
            many.create_dataset(field, (40, 1), h5py.ref_dtype)
        file["digitStruct/bbox"][3, 0] = many.ref

    errors = []
    listed = [*ENTRIES, ("6.png", [(11, 1, 1, 9, 9)])]
    got = entries(tmp_path, listed, damage, on_error=lambda *error: errors.append(error))
    assert [entry.name for entry in got] == ["3.png", "5.png"]
    assert errors == [
        ("1.png", "unreadable entries", "entry 1 (1.png): top is missing"),
        ("", "invalid file names", "entry 2: '../3.png' is not the name of a file beside it"),
        (
            "4.png",
            "too many boxes or too long a name",
            "entry 4 (4.png): 40 values, more than the limit of 16",
        ),
        (
            "6.png",
            "labels outside 1 to 10",
            "entry 6 (6.png): the label 11 is not one of 1 to 10 (10 is the digit 0)",
        ),
    ]


@pytest.mark.parametrize(
    "reference, name",
    [("digitStruct/name", ""), ("digitStruct/bbox", "2.png"), ("#refs#/b1/top", "2.png")],
)
def test_null_references_have_their_own_kind(tmp_path, reference, name):
    errors = []
    damage = null_reference(reference)
    got = entries(tmp_path, damage=damage, on_error=lambda *error: errors.append(error))
    assert [entry.name for entry in got] == ["1.png", "3.png", "4.png", "5.png"]
    assert [error[:2] for error in errors] == [(name, "null references")]


def test_on_error_does_not_skip_a_broken_file(tmp_path):
    damage = remove("digitStruct/name")
    assert "name is missing" in error_of(tmp_path, damage, on_error=lambda *error: None)
