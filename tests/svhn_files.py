"""Folders as SVHN lays them out, with a digitStruct.mat as MATLAB 7.3 wrote it, for several tests."""

import h5py
import numpy as np
from PIL import Image

FIELDS = ("height", "label", "left", "top", "width")


def write_struct(path, entries, damage=None):
    """Write a digitStruct.mat as MATLAB does: entries of (name, list of (label, left, top, width, height)); damage(file) comes last."""
    with h5py.File(path, "w") as file:
        refs, struct = file.create_group("#refs#"), file.create_group("digitStruct")
        names = struct.create_dataset("name", (len(entries), 1), h5py.ref_dtype)
        bboxes = struct.create_dataset("bbox", (len(entries), 1), h5py.ref_dtype)
        for i, (name, boxes) in enumerate(entries):
            characters = refs.create_dataset(
                f"n{i}", data=np.array([[ord(c)] for c in name], np.uint16)
            )
            names[i, 0] = characters.ref
            if not boxes:
                # A struct array without elements: its dimensions stand in the place of the values.
                empty = refs.create_dataset(f"b{i}", data=np.array([0, 0], np.uint64))
                empty.attrs["MATLAB_empty"] = np.uint8(1)
                bboxes[i, 0] = empty.ref
                continue
            group = refs.create_group(f"b{i}")
            for field in FIELDS:
                values = [
                    dict(zip(("label", "left", "top", "width", "height"), box, strict=True))[field]
                    for box in boxes
                ]
                if len(boxes) == 1:
                    group.create_dataset(field, data=np.array([values], np.float64))
                else:
                    cells = group.create_dataset(field, (len(boxes), 1), h5py.ref_dtype)
                    for k, value in enumerate(values):
                        cells[k, 0] = refs.create_dataset(
                            f"v{i}{field}{k}", data=np.array([[value]], np.float64)
                        ).ref
            bboxes[i, 0] = group.ref
        if damage:
            damage(file)


def draw(directory, entries, seed=0):
    """Write a folder: entries of (name, boxes); each picture is 31 x 17 and of other pixels."""
    directory.mkdir(parents=True)
    write_struct(directory / "digitStruct.mat", entries)
    for i, (name, _) in enumerate(entries):
        pixels = np.random.default_rng([seed, i]).integers(0, 256, (17, 31, 3), np.uint8)
        Image.fromarray(pixels).save(directory / name)


def boxes(number):
    """Return (label, left, top, width, height) for each digit of a number, side by side."""
    return [(int(digit) or 10, 2 + 5 * i, 3, 4, 9) for i, digit in enumerate(number)]
