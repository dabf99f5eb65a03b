"""The entry of `mtl`: choose the command, parse its flags, turn errors into one line and an exit code."""

import contextlib
import difflib
import errno
import os
import signal
import sys

from absl import flags as absl_flags

from mtl import __version__
from mtl.cli import console, convert, evaluate, explain, flags, predict, preview, signals, train
from mtl.errors import MtlError, UsageError

# A command is a module with USAGE, SUMMARY, define(values), check(values, arguments) and main(values, arguments) -> exit code.
COMMANDS = {
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "preview": preview,
    "convert": convert,
    "explain": explain,
}
# An error of these kinds that names no file is one of stdout.
OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
HELP = frozenset(["--help", "-h", "-help", "--helpshort", "--helpfull"])


def run(argv=None):
    """Run one command.

    Args:
      argv: list of str without the program's name; None takes the process's own, and then also minds its signals.

    Returns:
      int, the exit code: 0 done, 1 bad flags, 2 bad data, 3 loss not finite, 129, 130 or 143 interrupted by a
      signal, 141 stdout was closed.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    where = f"mtl {arguments[0]}" if arguments and arguments[0] in COMMANDS else "mtl"
    if argv is None:
        _open_what_is_closed()
        signals.install(where)
        console.set_backends()
        sys.stdout.reconfigure(
            errors="backslashreplace"
        )  # a file name that is not UTF-8 is shown, not died of
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
        return code
    except MtlError as error:
        return _fail(where, error, error.exit_code)
    except BrokenPipeError:
        # Python would complain once more when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt as error:
        return _fail(where, "interrupted", 128 + (error.args[0] if error.args else signal.SIGINT))
    except OSError as error:
        return _fail(where, _described(error), 2)
    except MemoryError:
        return _fail(
            where, "out of memory; lower --batch_size, --pool or --count, or take fewer images", 2
        )


def _dispatch(arguments):
    if not arguments or arguments[0] in HELP:
        print(_overview())
        return 0
    if arguments[0] == "--version":
        print(f"mtl {__version__}")
        return 0
    name = arguments[0]
    if name not in COMMANDS:
        nearest = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
        meant = f"did you mean {nearest[0]}? " if nearest else ""
        raise UsageError(f"unknown command {name!r}; {meant}The commands are {', '.join(COMMANDS)}")
    command, values = COMMANDS[name], absl_flags.FlagValues()
    command.define(values)
    flags.define(values)
    if HELP.intersection(
        arguments
    ):  # before parsing: a person who is lost gets help, whatever else stands there
        print(flags.help_text(command.USAGE, command.SUMMARY, values))
        return 0
    rest = flags.parse(values, arguments)
    command.check(values, rest)
    return 0 if values.only_check_args else command.main(values, rest)


def _overview():
    about = "Multi-task learning in low-level graph mode: six softmax outputs on one shared bottom."
    lines = [f"  {name:<10}{command.SUMMARY}" for name, command in COMMANDS.items()]
    foot = "mtl COMMAND --help lists the flags of a command; mtl --version shows the version."
    return "\n".join(["usage: mtl COMMAND [--flag=value ...]", "", about, "", *lines, "", foot])


def _described(error):
    """Say in one line what an OSError is about, and the cure where it is known."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "too many open files; raise the limit with ulimit -n, or close other programs"
    if error.filename is None and "No usable temporary directory" in str(error):
        cure = (
            "make room in one, set TMPDIR to another, or raise the limit of open files (ulimit -n)"
        )
        return f"no temporary folder can be used; {cure}"
    reason = error.strerror or str(error)
    if error.filename:
        return f"{error.filename}: {reason}"
    return f"output: {reason}" if error.errno in OUTPUT else reason


def _fail(where, message, code):
    with contextlib.suppress(OSError):  # where stderr is full or nobody reads it, the code tells
        line = f"{where}: {' '.join(str(message).split())}"
        print(console.printable(line), file=sys.stderr, flush=True)
    return code


def _open_what_is_closed():
    """Lead the streams that the process was started without (>&-) to nowhere, before another file takes their numbers."""
    for name, mode in (
        ("stdin", "r"),
        ("stdout", "w"),
        ("stderr", "w"),
    ):  # the lowest number that is free is its own
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))
