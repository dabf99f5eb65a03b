"""digitStruct.mat with any damage, and HDF5 that is whole but laid out as no MATLAB would."""

from collections import Counter

import h5py
import numpy as np
from hypothesis import given, strategies as st

from tests.mutations import damaged, quick
from tests.svhn_files import write_struct

ENTRIES = [
    ("1.png", [(5, 6, 2, 20, 11)]),
    ("2.png", [(2, 3, 4, 9, 12), (10, 12, 5, 8, 12)]),
    ("3.png", []),
]


def test_no_damage_makes_it_crash(tmp_path, taken):
    path, seen = tmp_path / "digitStruct.mat", Counter()
    write_struct(path, ENTRIES)
    whole = path.read_bytes()

    @quick(400)
    @given(damaged(whole))
    def property(data):
        path.write_bytes(data)
        seen[taken("digitstruct", path)["outcome"]] += 1

    property()
    assert min(seen["read"], seen["refused"]) > 20


TYPES = st.sampled_from(
    ["u1", "u2", "u4", "i1", "i8", "f2", "f4", "f8", "c8", "S1", "S300", "?", "V3", [("a", "u2"), ("b", "f8")], ("u2", (3,)),
     h5py.string_dtype(), h5py.vlen_dtype(np.uint16), h5py.ref_dtype, h5py.regionref_dtype, h5py.enum_dtype({"a": 1}, "u2")]
)  # fmt: skip
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
REFERENCES = [("digitStruct/name", 0), ("digitStruct/name", 2), ("digitStruct/bbox", 0), ("digitStruct/bbox", 1), ("#refs#/b1/label", 0),
              ("#refs#/b1/height", 1)]  # fmt: skip
MEMBERS = [
    "digitStruct",
    "digitStruct/name",
    "digitStruct/bbox",
    "#refs#/b0/label",
    "#refs#/b0/top",
    "#refs#/b1/left",
]


def fill(file, odd, draw):
    """Put values into a data set: noise, numbers that could be labels or characters, or references to anything."""
    if odd.shape is None or not odd.size:
        return
    if h5py.check_ref_dtype(odd.dtype) is h5py.Reference:
        odd[...] = np.full(odd.shape, file[draw(st.sampled_from(NODES))].ref, h5py.ref_dtype)
    elif odd.dtype.kind in "uif":
        value = draw(
            st.sampled_from(
                [0, 1, 5, 10, 46, 65, 127, np.nan, -np.inf]
                if odd.dtype.kind == "f"
                else [0, 1, 5, 10, 46, 65, 127]
            )
        )
        odd[...] = np.full(odd.shape, value, odd.dtype)


@st.composite
def oddities(draw):
    """Draw a function file -> None that puts an odd object where another one is."""
    kind = draw(
        st.sampled_from(
            [
                "data",
                "data",
                "data",
                "data",
                "group",
                "type",
                "soft link",
                "external link",
                "nothing",
            ]
        )
    )
    dtype, shape, packed = draw(TYPES), draw(SHAPES), draw(st.sampled_from([{}] * 4 + PACKED))
    empty, place, member = (
        draw(st.integers(0, 9)) == 3,
        draw(st.sampled_from(REFERENCES)),
        draw(st.sampled_from(MEMBERS)),
    )
    by_name = draw(st.booleans())

    def damage(file):
        if kind == "data":
            try:
                odd = file.create_dataset("odd", shape, dtype, **(packed if shape else {}))
                fill(file, odd, draw)
            except (TypeError, ValueError, OSError):  # a mixture that HDF5 itself does not write
                return
            if empty:
                odd.attrs["MATLAB_empty"] = np.uint8(1)
        elif kind == "group":
            file.create_group("odd")["label"] = np.array([[5.0]])
        elif kind == "type":
            file["odd"] = np.dtype("f8")
        elif kind.endswith("link") or kind == "nothing":
            del file[member]
            if kind != "nothing":
                file[member] = (
                    h5py.SoftLink(f"/{member}")
                    if kind == "soft link"
                    else h5py.ExternalLink(file.filename, "odd")
                )
            return
        if by_name:
            del file[member]
            file[member] = file["odd"]
        else:
            file[place[0]][place[1], 0] = file["odd"].ref

    return damage


def test_no_layout_makes_it_crash(tmp_path, taken):
    path, seen = tmp_path / "digitStruct.mat", Counter()

    @quick(250)
    @given(oddities())
    def property(damage):
        write_struct(path, ENTRIES, damage)
        seen[taken("digitstruct", path)["outcome"]] += 1

    property()
    assert min(seen["read"], seen["refused"]) > 5
