"""Reading HDF5 files of unknown origin. tests/hostile measures their memory and time."""

import zlib

import h5py
import numpy as np
import pytest

from mtl.data.svhn import hdf5
from mtl.data.svhn.skips import EntryError
from mtl.errors import DataError


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "a.mat", "w") as opened:
        yield opened


def error_of(path):
    with pytest.raises(DataError) as caught:
        hdf5.open_file(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def test_opens_hdf5_only(tmp_path):
    path = tmp_path / "a.mat"
    assert "no such file" in error_of(path)
    with h5py.File(path, "w") as file:
        file["values"] = np.arange(1000)
    whole = path.read_bytes()
    hdf5.open_file(str(path)).close()
    for damaged in (b"", b"MATLAB 5.0 MAT-file", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        assert "not an HDF5 file" in error_of(path)


@pytest.mark.parametrize(
    "error, reason",
    [
        (PermissionError(13, "Unable to open"), "no permission"),
        (BlockingIOError(11, "Unable to lock"), "locked"),
    ],
)
def test_closed_or_locked_file_is_not_called_damaged(tmp_path, monkeypatch, error, reason):
    def failing(*arguments):
        raise error

    (tmp_path / "a.mat").write_bytes(b"")
    monkeypatch.setattr(h5py, "File", failing)  # as root, any file can be opened
    message = error_of(tmp_path / "a.mat")
    assert reason in message
    assert "Unable" not in message and "download" not in message


def test_member_is_never_a_link(file):
    file["values"] = 1.0
    file["soft"] = h5py.SoftLink("/values")
    file["external"] = h5py.ExternalLink("b.mat", "values")
    assert hdf5.read_value(hdf5.member(file.id, b"values")) == 1.0
    for name in (b"soft", b"external"):
        with pytest.raises(ValueError, match="is a soft or external link"):
            hdf5.member(file.id, name)
    with pytest.raises(KeyError, match="nothing is missing"):
        hdf5.member(file.id, b"nothing")


def test_array_is_read_flat_up_to_a_limit(file):
    values = file.create_dataset("values", data=np.arange(6.0).reshape(2, 3)).id
    np.testing.assert_array_equal(hdf5.read_array(values, 6), np.arange(6.0))
    with pytest.raises(EntryError, match="6 values, more than the limit of 5"):
        hdf5.read_array(values, 5)


def test_empty_array_has_no_values(file):
    empty = file.create_dataset("empty", data=np.array([0, 0], np.uint64))
    empty.attrs["MATLAB_empty"] = np.uint8(1)
    assert hdf5.read_array(empty.id, 6).shape == (0,)


@pytest.mark.parametrize("options", [{}, {"shuffle": True}])
def test_array_may_be_compressed_as_by_matlab(file, options):
    values = file.create_dataset("values", data=np.arange(9), compression="gzip", **options)
    np.testing.assert_array_equal(hdf5.read_array(values.id, 9), np.arange(9))


@pytest.mark.parametrize("options", [{"compression": "lzf"}, {"fletcher32": True}])
def test_other_compression_is_rejected(file, options):
    values = file.create_dataset("values", data=np.arange(9), **options)
    with pytest.raises(ValueError, match="a filter that MATLAB does not use"):
        hdf5.read_array(values.id, 9)


def test_chunk_that_expands_beyond_its_size_is_rejected(file):
    options = {"maxshape": (None,), "chunks": (1000,), "compression": "gzip"}
    values = file.create_dataset("values", (5,), np.uint16, **options)
    values.id.write_direct_chunk((0,), zlib.compress(bytes(2001)))
    with pytest.raises(ValueError, match="larger than its header says"):
        hdf5.read_array(values.id, 5)


def test_values_in_another_file_are_rejected(file, tmp_path):
    values = file.create_dataset("values", (8,), np.uint16, external=[(tmp_path / "b", 0, 16)])
    with pytest.raises(ValueError, match="in another file"):
        hdf5.read_array(values.id, 8)


def test_reason_is_one_line():
    assert hdf5.reason(KeyError("top is missing")) == "top is missing"
    assert hdf5.reason(OSError("Unable to\nread")) == "HDF5 cannot read it (Unable to read)"
