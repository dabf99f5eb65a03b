"""Flagfiles, read before absl would: it waits for pipes, reads devices without end, and does not say in which file a flag is wrong."""

import re

from mtl.cli import paths
from mtl.errors import UsageError
from mtl.runs import files

MAX_FLAGFILES = (
    100  # in one command, those that others name among them: beyond, one of them names itself
)
MAX_FLAGS = 1 << 16  # bytes of a flagfile


def expanded(arguments, within="", opened=None):
    """Put the lines of flagfiles in the place of --flagfile.

    Args:
      arguments: iterable of str.
      within: str, the flagfile that they stand in, or "".
      opened: list of str, the flagfiles opened so far, which is added to, or None.

    Yields:
      (argument, the flagfile that it stands in or ""), two str.

    Raises:
      UsageError: a flagfile cannot be read, names itself, or holds what is no flag; the message names it and the one that asks for it.
    """
    opened = [] if opened is None else opened
    arguments, where = iter(arguments), f"{within}: " if within else ""
    for argument in arguments:
        name, equals, path = argument.partition("=")
        if argument == "--":
            yield from ((rest, within) for rest in [argument, *arguments])
        elif name not in ("--flagfile", "-flagfile"):
            yield argument, within
        else:
            path = path if equals else next(arguments, "")
            if not path:
                raise UsageError(f"{where}--flagfile names no file: give one of flags, one a line")
            try:
                path = paths.local(path)
            except ValueError as error:
                raise UsageError(f"{where}--flagfile={path}: {error}") from None
            opened.append(path)
            if len(opened) > MAX_FLAGFILES:
                raise UsageError(
                    f"{where}{path}: more than {MAX_FLAGFILES} flagfiles; remove the line by which one names itself"
                )
            yield from expanded(_lines(path, where), path, opened)


def _lines(path, where):
    """List the flags that stand in a flagfile; where: str, the beginning of an error, which names the flagfile that asks for it."""
    try:
        # Not splitlines(): a value may hold other characters that Unicode counts as line breaks.
        lines = [line.strip() for line in re.split(r"\r\n|\r|\n", files.read_text(path, MAX_FLAGS))]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a text in UTF-8"
        raise UsageError(
            f"{where}{path}: cannot be read ({reason}): --flagfile takes a file of flags, one a line"
        ) from None
    lines = [line for line in lines if line and not line.startswith(("#", "//"))]
    for line in lines:
        if not line.startswith("-") or not line.lstrip("-")[:1].isalpha():
            raise UsageError(f"{path}: {line[:80]!r} is no flag: write --name=value, one a line")
    return lines
