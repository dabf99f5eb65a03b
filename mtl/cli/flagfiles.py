"""Read flagfiles before absl does.

absl waits for pipes, reads devices without end, and does not report which file has a wrong flag.
"""

import re

from mtl.cli import paths
from mtl.errors import UsageError
from mtl.runs import files

MAX_FLAGFILES = 100  # of one command, including nested ones; more means that one includes itself
MAX_FLAGS = 1 << 16  # bytes of a flagfile


def expanded(arguments, within="", opened=None):
    """Replace each --flagfile by the flags in the file.

    Args:
      arguments: iterable of str.
      within: str, the flagfile that contains the arguments; "" is the command line.
      opened: list of str, the flagfiles opened so far, extended in place.

    Yields:
      (str, str): an argument and the flagfile that contains it.

    Raises:
      UsageError: a flagfile cannot be read, includes itself, or has a line that is not a flag. The
        message names the flagfile and the one that includes it.
    """
    opened = [] if opened is None else opened
    where = f"{within}: " if within else ""
    arguments = iter(arguments)
    for argument in arguments:
        name, equals, path = argument.partition("=")
        if argument == "--":
            yield argument, within
            for rest in arguments:
                yield rest, within
        elif name not in ("--flagfile", "-flagfile"):
            yield argument, within
        else:
            path = _local(path if equals else next(arguments, ""), where)
            opened.append(path)
            if len(opened) > MAX_FLAGFILES:
                cure = "remove the line that makes one include itself"
                raise UsageError(f"{where}{path}: more than {MAX_FLAGFILES} flagfiles; {cure}")
            yield from expanded(_lines(path, where), path, opened)


def _local(path, where):
    """Return the path of a flagfile; raise UsageError if it is empty or invalid."""
    if not path:
        raise UsageError(f"{where}--flagfile names no file; give a file of flags, one on each line")
    try:
        return paths.local(path)
    except ValueError as error:
        raise UsageError(f"{where}--flagfile={path}: {error}") from None


def _lines(path, where):
    """List the flags in a flagfile; where: str, the start of an error message."""
    try:
        text = files.read_text(path, MAX_FLAGS)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        cure = "--flagfile takes a file of flags, one on each line"
        raise UsageError(f"{where}{path}: cannot be read ({reason}); {cure}") from None
    # splitlines() would also split at Unicode line breaks within a value.
    lines = [line.strip() for line in re.split(r"\r\n|\r|\n", text)]
    lines = [line for line in lines if line and not line.startswith(("#", "//"))]
    for line in lines:
        if not line.startswith("-") or not line.lstrip("-")[:1].isalpha():
            cure = "write --name=value, one on each line"
            raise UsageError(f"{path}: {line[:80]!r} is not a flag; {cure}")
    return lines
