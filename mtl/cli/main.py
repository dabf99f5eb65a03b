"""The entry point of `mtl`: find the command, parse its flags, turn errors into exit codes."""

import contextlib
import difflib
import errno
import importlib
import itertools
import os
import signal
import sys

from absl import flags as absl_flags

from mtl import __version__, fields
from mtl.cli import console, flags, help_text, signals
from mtl.errors import MtlError, UsageError

# A command is a file of mtl/cli with USAGE = "mtl NAME ...", SUMMARY, define(values),
# check(values, arguments) and main(values, arguments) -> exit code. It may have a parse of its own,
# which replaces flags.parse.
COMMANDS = fields.declared("cli/*.py", r'^USAGE = "mtl (\w+)')
HELP = frozenset(["--help", "-h", "-help", "--helpshort", "--helpfull"])
# An OSError of these kinds that names no file comes from writing to stdout.
OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
LESS_MEMORY = "lower --batch_size, --pool or --count, or give fewer images"


def run(argv=None):
    """Run one command.

    Args:
      argv: list of str without the program's name; None uses the command line of the process, and
        also handles its signals.

    Returns:
      int, the exit code: 0 done, 1 bad flags, 2 bad data, 3 loss not finite, 129, 130 or 143
      interrupted by a signal, 141 stdout was closed.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    where = f"mtl {arguments[0]}" if arguments and arguments[0] in COMMANDS else "mtl"
    if argv is None:
        _open_closed_streams()
        signals.install(where)
        console.set_backends()
        # File names may contain bytes that are not UTF-8.
        sys.stdout.reconfigure(errors="backslashreplace")
    code = _code(arguments, where)
    if argv is None and console.ending_at_once:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(code)
    return code


def _code(arguments, where):
    """Run one command; return its exit code. where: str, the start of an error."""
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # At exit Python flushes stdout again, which would print an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt as error:
        return _fail(where, "interrupted", 128 + (error.args[0] if error.args else signal.SIGINT))
    except MtlError as error:
        return _fail(where, error, error.exit_code)
    except Exception as error:
        message = _message(error)
        if message is None:
            raise
        return _fail(where, message, 2)


def load(name):
    """Import the command `name` of COMMANDS; return its module."""
    return importlib.import_module(f"mtl.cli.{COMMANDS[name].stem}")


def _dispatch(arguments):
    """Run the command that the arguments name; return its exit code."""
    name = arguments[0] if arguments else "--help"
    if name in HELP:
        print(_overview())
        return 0
    if name == "--version":
        print(f"mtl {__version__}")
        return 0
    if name not in COMMANDS:
        raise UsageError(_unknown(name))
    command = load(name)
    values = absl_flags.FlagValues()
    command.define(values)
    flags.define(values)
    before_files = itertools.takewhile(lambda argument: argument != "--", arguments)
    if HELP.intersection(before_files):  # before parsing, so that help works despite a wrong flag
        print(help_text.render(command.USAGE, command.SUMMARY, values))
        return 0
    rest = getattr(command, "parse", flags.parse)(values, arguments)
    text = flags.asked_for(values)
    if text:
        print(text, end="")
        return 0
    command.check(values, rest)
    return 0 if values.only_check_args else command.main(values, rest)


def _overview():
    """Return the text that lists the commands."""
    about = "Multi-task learning in low-level graph mode: shared layers, and a top for each task."
    lines = [f"  {name:<10}{load(name).SUMMARY}" for name in COMMANDS]
    foot = "mtl COMMAND --help lists the flags of a command; mtl --version shows the version."
    return "\n".join(["usage: mtl COMMAND [--flag=value ...]", "", about, "", *lines, "", foot])


def _unknown(name):
    """Return the message for an unknown command, with the nearest one."""
    nearest = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    return f"unknown command {name!r}; {hint}The commands are {', '.join(COMMANDS)}"


def _message(error):
    """Return the message of an error that a user can cause, with its cure; None for a bug."""
    if isinstance(error, OSError):
        return _system_message(error)
    if isinstance(error, MemoryError):
        return f"out of memory; {LESS_MEMORY}"
    tf = sys.modules.get("tensorflow")  # not imported here: that takes seconds
    if tf is not None and isinstance(error, tf.errors.ResourceExhaustedError):
        from mtl import checkpoint

        return f"out of memory ({checkpoint.first_line(error)}); {LESS_MEMORY}"
    return None


def _system_message(error):
    """Return the message of an OSError, with its cure if it is known."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "too many open files; raise the limit with ulimit -n, or close other programs"
    if error.filename is None and "No usable temporary directory" in str(error):
        cure = "free space in one, set TMPDIR to another, or raise the limit of open files"
        return f"no temporary folder can be used; {cure} (ulimit -n)"
    reason = error.strerror or str(error)
    if error.filename:
        return f"{error.filename}: {reason}"
    return f"output: {reason}" if error.errno in OUTPUT else reason


def _fail(where, message, code):
    """Print an error on one line; return the exit code."""
    line = f"{where}: {' '.join(str(message).split())}"
    with contextlib.suppress(OSError):  # stderr may be full or closed: the exit code remains
        print(console.printable(line), file=sys.stderr, flush=True)
    return code


def _open_closed_streams():
    """Open /dev/null for the standard streams that the parent closed (>&-).

    Otherwise the next opened files would get their descriptors. The order matters: each open() gets
    the lowest free descriptor.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))
