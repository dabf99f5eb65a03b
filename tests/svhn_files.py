"""Folders in SVHN's layout, with a digitStruct.mat as MATLAB 7.3 writes it."""

import h5py
import numpy as np
from PIL import Image

FIELDS = ("label", "left", "top", "width", "height")


def write_struct(path, entries, damage=None):
    """Write a digitStruct.mat.

    Args:
      entries: list of (file name, list of (label, left, top, width, height)).
      damage: function (h5py.File) -> None, called in the end.
    """
    with h5py.File(path, "w") as file:
        refs, struct = file.create_group("#refs#"), file.create_group("digitStruct")
        names = struct.create_dataset("name", (len(entries), 1), h5py.ref_dtype)
        bboxes = struct.create_dataset("bbox", (len(entries), 1), h5py.ref_dtype)
        for i, (name, described) in enumerate(entries):
            characters = np.array([[ord(character)] for character in name], np.uint16)
            names[i, 0] = refs.create_dataset(f"n{i}", data=characters).ref
            bboxes[i, 0] = _write_boxes(refs, i, described).ref
        if damage:
            damage(file)


def _write_boxes(refs, i, described):
    """Write the boxes of image i; return the object."""
    if not described:
        # An empty struct array: its dimensions are written as if they were its values.
        empty = refs.create_dataset(f"b{i}", data=np.array([0, 0], np.uint64))
        empty.attrs["MATLAB_empty"] = np.uint8(1)
        return empty
    group = refs.create_group(f"b{i}")
    for field, values in zip(FIELDS, zip(*described, strict=True), strict=True):
        if len(described) == 1:
            group.create_dataset(field, data=np.array([values], np.float64))
            continue
        cells = group.create_dataset(field, (len(described), 1), h5py.ref_dtype)
        for k, value in enumerate(values):
            number = np.array([[value]], np.float64)
            cells[k, 0] = refs.create_dataset(f"v{i}{field}{k}", data=number).ref
    return group


def draw(directory, entries, seed=0):
    """Write a folder: the entries of `write_struct`, and a different 31 x 17 image for each."""
    directory.mkdir(parents=True)
    write_struct(directory / "digitStruct.mat", entries)
    for i, (name, _) in enumerate(entries):
        pixels = np.random.default_rng([seed, i]).integers(0, 256, (17, 31, 3), np.uint8)
        Image.fromarray(pixels).save(directory / name)


def boxes(number):
    """Return (label, left, top, width, height) for each digit of a number, side by side."""
    return [(int(digit) or 10, 2 + 5 * i, 3, 4, 9) for i, digit in enumerate(number)]
