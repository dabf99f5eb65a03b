"""Flags that take a path. Parsing checks them, before any file is read or written."""

import os
import re

from absl import flags as absl_flags

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def local(path):
    """Return a path with `~` expanded.

    Args:
      path: str, the value of a flag.

    Raises:
      ValueError: it has a scheme, an unknown `~user`, a line break, a null character, or bytes that
        are not UTF-8. TensorFlow and flagfiles cannot use such a path.
    """
    scheme = _SCHEME.match(path)
    if scheme:
        raise ValueError(
            f"{scheme[0]} addresses are not read or written; name a path of this machine"
        )
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        raise ValueError(
            f"{expanded.split(os.sep)[0]} has no known home folder; "
            f"write ./{path} for a folder of that name"
        )
    if re.search(r"[\0\r\n]", expanded):
        raise ValueError(
            "a path with a line break or a null character does not work in a flagfile; rename it"
        )
    try:
        utf8 = os.fsencode(expanded) == expanded.encode()
    except UnicodeEncodeError:
        utf8 = False
    if not utf8:
        raise ValueError("the path is not UTF-8, which TensorFlow needs; rename the file or folder")
    return expanded


class _Parser(absl_flags.ArgumentParser):
    """An absl parser for a flag that takes a path."""

    def parse(self, argument):
        """Return the path; see `local`."""
        return local(argument)

    def flag_type(self):
        """Return the type that absl's help shows."""
        return "string"


def define(values, name, default, text):
    """Define a flag that takes a path.

    Args:
      values: FlagValues.
      name: str.
      default: str or None.
      text: str, the help.
    """
    serializer = absl_flags.ArgumentSerializer()
    absl_flags.DEFINE(_Parser(), name, default, text, flag_values=values, serializer=serializer)
