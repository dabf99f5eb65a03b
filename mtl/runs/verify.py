"""Verify that every tensor of a checkpoint can be read."""

from mtl import checkpoint
from mtl.errors import DataError
from mtl.runs import bundle


def damage(path):
    """Return the reason why a checkpoint is damaged, as one line, or None if it is intact.

    Args:
      path: str, without .index.

    Raises:
      DataError: a file cannot be opened or read. Its content may still be intact.
    """
    try:
        bundle.check(path)
        with open(bundle.data_file(path), "rb") as file:
            file.read(1)
    except OSError as error:
        cure = "make it readable, then repeat the command"
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}); {cure}") from None
    except ValueError as error:
        return checkpoint.first_line(error)
    try:
        with checkpoint.opened(path) as reader:
            for name in reader.get_variable_to_shape_map():
                reader.get_tensor(name)  # TensorFlow verifies the checksum
    except checkpoint.UNREADABLE as error:
        return checkpoint.first_line(error)
    return None
