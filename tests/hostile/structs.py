"""digitStruct.mat files that would use up all memory, or block for ever."""

import os
import zlib

import h5py
import numpy as np

NAME = "digitStruct/name"
LABEL = "#refs#/b1/label"


def replaced(name, make):
    """Return a damage that replaces a member by what make(file, name) writes."""

    def damage(file):
        del file[name]
        make(file, name)

    return damage


def referred(make, cells=NAME):
    """Return a damage that makes the first reference in `cells` lead to what `make` writes."""

    def damage(file):
        make(file, "odd")
        file[cells][0, 0] = file["odd"].ref

    return damage


def never_written(size):
    return lambda file, name: file.create_dataset(name, (size,), h5py.ref_dtype, chunks=(1024,))


def growing(file, name, shape, chunk):
    """Create a compressed dataset of uint16 that can grow."""
    options = {"maxshape": (None,), "chunks": (chunk,), "compression": "gzip"}
    return file.create_dataset(name, shape, np.uint16, **options)


def huge_chunk(file, name):
    """Write one value in a chunk of half a gigabyte, compressed to half a megabyte."""
    growing(file, name, (1,), 2**28)[0] = 65


def chunk_beyond_its_shape(file, name):
    """Write a chunk of 2000 bytes by its shape, which decompresses to 60 MB."""
    odd = growing(file, name, (5,), 1000)
    odd.id.write_direct_chunk((0,), zlib.compress(bytes(60 << 20), 9))


def compressed_twice(file, name):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((1000,))
    plist.set_deflate(9)
    plist.set_deflate(9)
    space = h5py.h5s.create_simple((5,), (h5py.h5s.UNLIMITED,))
    odd = h5py.h5d.create(file.id, name.encode(), h5py.h5t.NATIVE_UINT16, space, plist)
    odd.write_direct_chunk((0,), zlib.compress(zlib.compress(bytes(300 << 20), 9)))


def long_text(file, name):
    file.create_dataset(name, (1,), "S1073741824")


def text_of_any_length(file, name):
    file.create_dataset(name, (1,), h5py.string_dtype())[0] = "1" * (100 << 20)


def pipe_of(file):
    return os.path.join(os.path.dirname(file.filename), "pipe")


def external_array(file, name):
    file.create_dataset(name, (8,), np.uint16, external=[(pipe_of(file), 0, 16)])


def virtual_array(file, name):
    layout = h5py.VirtualLayout((5,), np.uint16)
    layout[:] = h5py.VirtualSource(pipe_of(file), "odd", (5,))
    file.create_virtual_dataset(name, layout)


def external_link(file, name):
    file[name] = h5py.ExternalLink(pipe_of(file), "odd")


def huge_attributes(file):
    file["digitStruct"].attrs["text"] = "x" * 60_000
    label = file["#refs#/v1label0"]
    label.attrs["MATLAB_class"] = "x" * 60_000
    label[0, 0] = 11


TOO_MANY = "values, more than the limit"
TOO_LARGE = "larger than its header says"
WRONG_TYPE = "values of the type"
LINK = "a soft or external link"
STRUCTS = {  # what is wrong: (damage, a part of the error)
    "a trillion names": (replaced(NAME, never_written(2**40)), TOO_MANY),
    "a hundred million names": (replaced(NAME, never_written(2**27)), TOO_MANY),
    "a hundred million boxes": (replaced("digitStruct/bbox", never_written(2**27)), TOO_MANY),
    "a name in a huge chunk": (referred(huge_chunk), "an array in chunks of"),
    "a label in a huge chunk": (referred(huge_chunk, LABEL), "an array in chunks of"),
    "a chunk beyond its shape": (referred(chunk_beyond_its_shape), TOO_LARGE),
    "a label in a chunk beyond its shape": (referred(chunk_beyond_its_shape, LABEL), TOO_LARGE),
    "a chunk compressed twice": (referred(compressed_twice), "a filter that MATLAB does not use"),
    "a name of a gigabyte": (referred(long_text), WRONG_TYPE),
    "a name of any length": (referred(text_of_any_length), WRONG_TYPE),
    "names of any length": (replaced(NAME, text_of_any_length), WRONG_TYPE),
    "values in a pipe": (referred(external_array), "in another file"),
    "a label in a pipe": (referred(external_array, LABEL), "in another file"),
    "a view of a pipe": (referred(virtual_array), "in another file"),
    "names in a pipe": (replaced(NAME, external_link), LINK),
    "everything in a pipe": (replaced("digitStruct", external_link), LINK),
    "a part of a box in a pipe": (replaced("#refs#/b0/top", external_link), LINK),
    "huge attributes": (huge_attributes, "the label 11"),
}
