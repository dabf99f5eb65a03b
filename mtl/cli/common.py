"""What the commands share: flags defined once, their checks, the help text and TensorFlow's quiet start.

Each call of a command makes its own absl FlagValues, here called `values`. The global absl FLAGS stays untouched: two commands
may then use one flag name in one process, other libraries' flags do not show up in --help, and nothing needs app.run.
"""

import contextlib
import dataclasses
import itertools
import operator
import os
import sys

from absl import flags

from mtl import config
from mtl.cli import flagfiles, paths, stderr
from mtl.errors import UsageError

UP_TO_ONE = (
    lambda value: 0.0 <= value <= 1.0,
    "must lie in 0 to 1",
)  # what define_range takes last
SHEETS = (".png", ".jpg", ".jpeg")  # endings of the pictures that commands write
ON_DISK = tuple(name for name in config.DATASETS if name != "synthetic")


# -- flags --------------------------------------------------------------------------------------------------------------------


def define(values):
    """Define the flags that every command has (values: FlagValues)."""
    flags.DEFINE_boolean(
        "only_check_args",
        False,
        "check all flags and exit: 0 good, 1 bad; reads and writes nothing",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "verbosity",
        0,
        "1 shows progress lines even in a pipe, and TensorFlow's own messages",
        flag_values=values,
    )


def define_field(values, name, text, *, choices=None, **bounds):
    """Define the flag of a field of Config; its type and default are the field's own.

    Args:
      values: FlagValues.
      name: str, the field.
      text: str, the help.
      choices: sequence of str, the values allowed, or None for any.
      **bounds: lower_bound, upper_bound of a number.
    """
    default = getattr(config.Config, name)
    if name in config.PATHS:
        paths.define(values, name, default, text)
    elif choices:
        flags.DEFINE_enum(name, default, list(choices), text, flag_values=values)
    else:
        kinds = {int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string}
        kinds[type(default)](name, default, text, flag_values=values, **bounds)


def define_range(values, name, text, test, message):
    """Define the flag of a float field of Config with a range that absl's closed bounds cannot say, NaN kept out.

    Args:
      values: FlagValues.
      name: str, the field.
      text: str, the help.
      test: function float -> bool; NaN fails any comparison, where absl's bounds let it through.
      message: str, "must ...".
    """
    define_field(values, name, text)
    flags.register_validator(name, test, message, flag_values=values)


def define_drawing(values, style=config.Config.style):
    """Define --style, with its default, and --difficulty, which several commands have."""
    text = "what the synthetic images show: numbers on houses, or amounts written by hand"
    text += "" if style else "; by default as the run says"
    flags.DEFINE_enum("style", style, list(config.CHOICES["style"]), text, flag_values=values)
    text = "how hard the synthetic images are to read, 0 (plain) to 1"
    define_range(values, "difficulty", text, *UP_TO_ONE)


def define_views(values, default, text):
    """Define --views: how many views of a picture are averaged; default: int, or None for the run's own."""
    text += ": 1 its centre, 2 also the centre's negative, 4 also the whole window and its negative, each one more pass through the network"
    flags.DEFINE_integer("views", default, text, flag_values=values)
    allowed = config.CHOICES["views"]
    flags.register_validator(
        "views",
        lambda value: value is None or value in allowed,
        "must be 1, 2 or 4",
        flag_values=values,
    )


def define_split(values, default):
    """Define --split with its default."""
    flags.DEFINE_enum(
        "split",
        default,
        config.SPLITS + ("extra",),
        "the part of the data set; extra is SVHN's third",
        flag_values=values,
    )


def define_model_dir(values, text, default=""):
    """Define --model_dir with a help text."""
    paths.define(values, "model_dir", default, text)


def check_model_dir(values, cure):
    """Raise UsageError where --model_dir is not given; cure: str, what to do."""
    if not values.model_dir:
        raise UsageError(f"--model_dir is required; {cure}")


def check_data(dataset, data_dir):
    """Hold --dataset and --data_dir (str) against each other.

    Raises:
      UsageError: a data set on disk without its folder, or a folder that would be ignored.
    """
    if dataset in ON_DISK and not data_dir:
        raise UsageError(
            f"--data_dir is required with --dataset={dataset}: say where the data set lies"
        )
    if dataset == "synthetic" and data_dir:
        raise UsageError(
            f"--data_dir={data_dir} means nothing to --dataset=synthetic; choose --dataset={'|'.join(ON_DISK)}"
        )


def check_split(dataset, split):
    """Raise UsageError where a data set cannot have a --split (both str)."""
    if dataset == "synthetic" and split not in config.SPLITS:
        raise UsageError(
            f"--split={split} is not one of --dataset=synthetic; choose one of {', '.join(config.SPLITS)}"
        )


def check_no_arguments(arguments):
    """Raise UsageError where a command that takes flags alone got other arguments (list of str)."""
    if arguments:
        raise UsageError(
            f"unexpected argument {arguments[0]!r}; this command takes flags alone, written --name=value"
        )


def check_sheet(flag, path):
    """Raise UsageError where the picture that a flag asks for (both str) does not end as one of SHEETS."""
    if os.path.splitext(path)[1].lower() not in SHEETS:
        raise UsageError(f"--{flag}={path} must end in {' or '.join(SHEETS)}")


def parse(values, arguments):
    """Parse a command line.

    Args:
      values: FlagValues, filled in place.
      arguments: list of str, the command's name first.

    Returns:
      list of str, what is not a flag.

    Raises:
      UsageError: a flag is unknown or its value is bad; the message names the flagfile that it stands in.
    """
    rest = values(arguments[:1])[1:]
    # File by file, so that it is known where a flag is wrong; what comes later wins all the same.
    for within, its in itertools.groupby(flagfiles.expanded(arguments[1:]), operator.itemgetter(1)):
        try:
            rest += values([arguments[0], *(argument for argument, _ in its)])[1:]
        except (flags.Error, ValueError) as error:  # ValueError: absl's own for --noflag=value
            where = f"{within}: " if within else ""
            raise UsageError(where + " ".join(str(error).split())[:300]) from error
    return rest


def to_config(values):
    """Return the Config that the flags of `mtl train` say."""
    return config.Config(
        **{field.name: values[field.name].value for field in dataclasses.fields(config.Config)}
    )


def flags_text(values):
    """Return the flags that make this run again, one a line: a flagfile without --model_dir, so that a run may be moved."""
    lines = (values[field.name].serialize() for field in dataclasses.fields(config.Config))
    # A flagfile drops blanks at the end of a line; here they can only be part of a folder's name.
    return "".join(line + "/" * (line != line.rstrip()) + "\n" for line in lines)


def help_text(usage, summary, values):
    """Write the help of a command: what absl lists only for flags of the script itself, and with exit code 1.

    Args:
      usage: str, one line.
      summary: str, one line.
      values: FlagValues.

    Returns:
      str of many lines.
    """
    lines = [f"usage: {usage}", "", summary, ""]
    for name in values:
        flag = values[name]
        bounds = flag.parser.syntactic_help if flag.flag_type() == "int" else ""
        notes = [f"default {flag.default_as_str or 'none'}"] + [bounds] * (
            bounds not in ("", "an integer")
        )
        lines += [
            f"  --{name}, --no{name}" if flag.boolean else f"  --{name}",
            f"      {flag.help} ({'; '.join(notes)})",
        ]
    flagfile = "a file of flags, one a line; # begins a comment, later flags win; paths in it start from the current folder"
    return "\n".join(
        [*lines, "  --flagfile", f"      {flagfile}", "  --help", "      show this text"]
    )


# -- progress and start -----------------------------------------------------------------------------------------------------


def printable(text):
    """Return a text (str) with the bytes of file names that are not UTF-8 written as \\udce9."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def say(line):
    """Write one line of progress to stderr: stdout is for results. A full disk or a lost terminal there costs the line, not the work."""
    try:
        print(printable(line), file=sys.stderr, flush=True)
    except BrokenPipeError:
        raise  # who reads on has gone, and the command goes too, as every part of a pipeline does
    except OSError:
        pass


def load(dataset, data_dir, split, **options):
    """Load Examples as data.datasets.load does, which may take minutes: somebody who looks on is told of what."""
    from mtl.data import registry

    if sys.stderr.isatty():
        say(f"reading {dataset}, {split} ...")
    return registry.load(dataset, data_dir, split, **options)


def bar(total, shown=True, unit="image"):
    """Return a tqdm bar over `total` images or other units, silent where stderr is no terminal or the work is done within two seconds."""
    try:
        from tqdm import tqdm
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"an environment variable TQDM_* has a bad value ({error}); unset it"
        ) from None

    hidden = not (shown and sys.stderr.isatty())
    return tqdm(
        total=total, unit=unit, unit_scale=unit == "B", delay=2.0, leave=False, disable=hidden
    )


def read(network, examples, views=1, after_each=lambda: None):
    """Put Examples through a network (anything with log_probs) behind a bar; returns evaluate.read's dict, of `views` averaged.

    `after_each`, a function () -> None, is called after each batch; what it raises ends the reading.
    """
    from mtl.inference import reading

    with bar(len(examples.numbers)) as shown:

        def progress(done, total):
            shown.update(done - shown.n)
            after_each()

        return reading.read(network.log_probs, examples.images, count=views, progress=progress)


def set_backends():
    """Set the backends of pyplot and Keras, which TensorFlow imports, for this process.

    A notebook or another project may have set others in the environment, which may be missing here.
    """
    os.environ.update(MPLBACKEND="Agg", KERAS_BACKEND="tensorflow")


def start_tensorflow(verbosity):
    """Import TensorFlow, and keep what it writes to stderr as it starts away from the user, unless verbosity is 1 or more.

    Some of its C++ messages come before its logging is set up and heed no setting: they are caught at the file descriptor. Asking
    for the devices makes the rest of them come now; a session would do so too, and would fix the number of threads for good.
    """
    if verbosity < 1:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with contextlib.nullcontext() if verbosity >= 1 else stderr.silent():
        import tensorflow.compat.v1 as tf

        tf.config.experimental.list_physical_devices()
    if verbosity < 1:
        tf.logging.set_verbosity(tf.logging.ERROR)
