"""digitStruct.mat with any damage, and intact HDF5 files of another layout."""

from collections import Counter

import h5py
import numpy as np
import pytest
from hypothesis import given, strategies as st

from tests.mutations import damaged, quick
from tests.svhn_files import write_struct

pytestmark = pytest.mark.slow

ENTRIES = [
    ("1.png", [(5, 6, 2, 20, 11)]),
    ("2.png", [(2, 3, 4, 9, 12), (10, 12, 5, 8, 12)]),
    ("3.png", []),
]


def test_damaged_file_is_read_or_rejected(tmp_path, read):
    path, seen = tmp_path / "digitStruct.mat", Counter()
    write_struct(path, ENTRIES)
    whole = path.read_bytes()

    @quick(400)
    @given(damaged(whole))
    def check(data):
        path.write_bytes(data)
        seen[read("digitstruct", path)["outcome"]] += 1

    check()
    assert min(seen["read"], seen["rejected"]) > 20


TYPES = st.sampled_from(
    [
        *"u1 u2 u4 i1 i8 f2 f4 f8 c8 S1 S300 ? V3".split(),
        [("a", "u2"), ("b", "f8")],
        ("u2", (3,)),
        h5py.string_dtype(),
        h5py.vlen_dtype(np.uint16),
        h5py.ref_dtype,
        h5py.regionref_dtype,
        h5py.enum_dtype({"a": 1}, "u2"),
    ]
)
SHAPES = st.sampled_from(
    [None, (), (0,), (1,), (1, 1), (3, 1), (2, 3), (17, 1), (5, 0), (1, 1, 1), (300,)]
)
PACKED = [
    {"compression": "gzip"},
    {"compression": "gzip", "shuffle": True},
    {"compression": "lzf"},
    {"fletcher32": True},
    {"scaleoffset": 3},
]
NODES = [
    "digitStruct",
    "digitStruct/name",
    "digitStruct/bbox",
    "#refs#/n0",
    "#refs#/b1",
    "#refs#/b1/label",
    "#refs#/v1label0",
    "odd",
]
REFERENCES = [
    ("digitStruct/name", 0),
    ("digitStruct/name", 2),
    ("digitStruct/bbox", 0),
    ("digitStruct/bbox", 1),
    ("#refs#/b1/label", 0),
    ("#refs#/b1/height", 1),
]
MEMBERS = [
    "digitStruct",
    "digitStruct/name",
    "digitStruct/bbox",
    "#refs#/b0/label",
    "#refs#/b0/top",
    "#refs#/b1/left",
]


VALUES = [0, 1, 5, 10, 46, 65, 127]  # could be labels or characters
KINDS = ["data"] * 4 + ["group", "type", "soft link", "external link", "nothing"]


def fill(file, odd, draw):
    """Write values or references into a dataset."""
    if odd.shape is None or not odd.size:
        return
    if h5py.check_ref_dtype(odd.dtype) is h5py.Reference:
        odd[...] = np.full(odd.shape, file[draw(st.sampled_from(NODES))].ref, h5py.ref_dtype)
    elif odd.dtype.kind in "uif":
        values = [*VALUES, np.nan, -np.inf] if odd.dtype.kind == "f" else VALUES
        odd[...] = np.full(odd.shape, draw(st.sampled_from(values)), odd.dtype)


@st.composite
def oddities(draw):
    """Draw a function file -> None that replaces an object by an odd one."""
    kind = draw(st.sampled_from(KINDS))
    dtype = draw(TYPES)
    shape = draw(SHAPES)
    packed = draw(st.sampled_from([{}] * 4 + PACKED))
    empty = draw(st.integers(0, 9)) == 3
    cells, index = draw(st.sampled_from(REFERENCES))
    member = draw(st.sampled_from(MEMBERS))
    by_name = draw(st.booleans())

    def write_odd(file):
        """Write the object "odd"; return False for a mixture that HDF5 does not write."""
        if kind == "group":
            file.create_group("odd")["label"] = np.array([[5.0]])
        elif kind == "type":
            file["odd"] = np.dtype("f8")
        else:
            try:
                odd = file.create_dataset("odd", shape, dtype, **(packed if shape else {}))
                fill(file, odd, draw)
            except (TypeError, ValueError, OSError):
                return False
            if empty:
                odd.attrs["MATLAB_empty"] = np.uint8(1)
        return True

    def damage(file):
        if kind in ("soft link", "external link", "nothing"):
            del file[member]
            if kind == "soft link":
                file[member] = h5py.SoftLink(f"/{member}")
            elif kind == "external link":
                file[member] = h5py.ExternalLink(file.filename, "odd")
        elif write_odd(file):
            if by_name:
                del file[member]
                file[member] = file["odd"]
            else:
                file[cells][index, 0] = file["odd"].ref

    return damage


def test_any_layout_is_read_or_rejected(tmp_path, read):
    path, seen = tmp_path / "digitStruct.mat", Counter()

    @quick(250)
    @given(oddities())
    def check(damage):
        write_struct(path, ENTRIES, damage)
        seen[read("digitstruct", path)["outcome"]] += 1

    check()
    assert min(seen["read"], seen["rejected"]) > 5
