"""The code that commands share: common flags, checks, parsing, and the help text.

Each call of a command creates its own absl FlagValues, here called `values`. The global absl FLAGS
is not used: several commands can run in one process, --help shows no flags of other libraries, and
app.run is not needed.
"""

import difflib
import itertools
import operator
import os
import sys

from absl import flags as absl_flags

from mtl import catalogue, config, fields
from mtl.cli import flagfiles, paths
from mtl.errors import UsageError, shown

SHEETS = (".png", ".jpg", ".jpeg")  # file name extensions of the images that commands write
AS_THE_RUN = "; default: that of the run"


# -- define ----------------------------------------------------------------------------------------


def define(values):
    """Define the flags that every command has.

    Args:
      values: FlagValues.
    """
    text = "validate all flags and exit: 0 valid, 1 invalid; reads and writes no other file"
    absl_flags.DEFINE_boolean("only_check_args", False, text, flag_values=values)
    text = "1 shows progress lines even in a pipe, and TensorFlow's own messages"
    absl_flags.DEFINE_integer("verbosity", 0, text, flag_values=values)


def define_gpu(values):
    """Define --gpu_memory_growth, for the commands that run a network."""
    text = "allocate the memory of a GPU as it is needed, instead of nearly all of it at once"
    absl_flags.DEFINE_boolean("gpu_memory_growth", True, text, flag_values=values)


def define_execution(values):
    """Define --precision and --gpu_memory_growth, for the commands that read a run."""
    text = (
        "what the shared bottom computes in, whatever that of the training; bf16 is faster for "
        "many images with Intel's AMX, and slower elsewhere"
    )
    choices = config.choices("precision")
    absl_flags.DEFINE_enum("precision", "fp32", choices, text, flag_values=values)
    define_gpu(values)


def define_run(values):
    """Define a flag for each field of Config."""
    for name in config.FIELDS:
        define_field(values, name)


def define_field(values, name, *, follows_run=False):
    """Define the flag of a field of Config, with its type, default and help.

    Args:
      values: FlagValues.
      name: str, the field.
      follows_run: bool. If true, the default is None, and `value_or_run` takes the value from the
        run that --model_dir names.
    """
    default, text = config.FIELDS[name].default, config.help_of(name)
    kind = type(default)
    if follows_run:
        default, text = None, text + AS_THE_RUN
    if name in config.PATHS:
        paths.define(values, name, default, text)
        return
    # The range is checked by `parse`: absl's own bounds let NaN pass.
    definitions = {
        int: absl_flags.DEFINE_integer,
        float: absl_flags.DEFINE_float,
        str: absl_flags.DEFINE_string,
    }
    definitions[kind](name, default, text, flag_values=values)


def define_temperature(values):
    """Define --temperature; its default is that of the run."""
    text = (
        "the log probabilities of each task are divided by this number, so that a confidence of "
        "0.8 means 80% correct; 1 leaves them unchanged; the run fits it at its best step, for its "
        "own --views" + AS_THE_RUN
    )
    absl_flags.DEFINE_float("temperature", None, text, flag_values=values)


def check_temperature(values):
    """Raise UsageError if --temperature is not in its range. Its default is None."""
    if values.temperature is not None and not config.TEMPERATURE.contains(values.temperature):
        text = config.TEMPERATURE.text()
        raise UsageError(f"--temperature={values.temperature} must be {text}")


def define_split(values, default):
    """Define --split with its default."""
    text = "part of the dataset; extra is the third part of SVHN"
    splits = config.SPLITS + ("extra",)
    absl_flags.DEFINE_enum("split", default, splits, text, flag_values=values)


def define_model_dir(values, text, default=""):
    """Define --model_dir with a help text."""
    paths.define(values, "model_dir", default, text)


# -- check -----------------------------------------------------------------------------------------


def check_model_dir(values, cure):
    """Raise UsageError if --model_dir is missing; cure: str, what to do."""
    if not values.model_dir:
        raise UsageError(f"--model_dir is required; {cure}")


def check_data(dataset, data_dir):
    """Raise UsageError if a dataset on disk has no folder, or synthetic has one."""
    try:
        config.check_data(dataset, data_dir)
    except ValueError as error:
        raise UsageError(str(error)) from None


def check_split(dataset, split):
    """Raise UsageError if a dataset cannot have the split."""
    if dataset == "synthetic" and split not in config.SPLITS:
        choices = ", ".join(config.SPLITS)
        raise UsageError(f"--split={split}: --dataset=synthetic has no such split; use {choices}")


def check_no_arguments(arguments):
    """Raise UsageError if a command that takes only flags got other arguments."""
    if arguments:
        cure = "this command takes only flags, written --name=value"
        raise UsageError(f"unexpected argument {arguments[0]!r}; {cure}")


def check_tasks(values):
    """Raise UsageError if --dataset cannot have the --tasks, or --window does not fit."""
    _config(dataset=values.dataset, tasks=values.tasks, window=values.window)


def check_numbers_only(values, run):
    """Raise UsageError for a flag that only numbers have, if a run has other tasks.

    Args:
      values: FlagValues of a command that reads a run.
      run: Config of the run.
    """
    for name in ("views", "temperature"):
        if values[name].value is not None and not run.is_numbers:
            what = f"--{name}={values[name].value} applies only to numbers"
            where = shown(values.model_dir)
            raise UsageError(f"{what}, but {where} has other tasks; remove the flag")


def check_sheet(flag, path):
    """Raise UsageError if the image that a flag writes does not end in one of SHEETS."""
    if os.path.splitext(path)[1].lower() not in SHEETS:
        raise UsageError(f"--{flag}={path} must end in {' or '.join(SHEETS)}")


# -- parse -----------------------------------------------------------------------------------------


def parse(values, arguments):
    """Parse a command line.

    Args:
      values: FlagValues, filled in place.
      arguments: list of str, the command's name first.

    Returns:
      list of str, the arguments that are not flags.

    Raises:
      UsageError: a flag is unknown or its value is invalid; the message names its flagfile.
    """
    rest = values(arguments[:1])[1:]
    # One flagfile at a time, so that the message can name it. Later values override earlier ones.
    expanded = flagfiles.expanded(arguments[1:])
    for flagfile, group in itertools.groupby(expanded, operator.itemgetter(1)):
        try:
            rest += values([arguments[0], *(argument for argument, _ in group)])[1:]
            _check_fields(values)
        except (absl_flags.Error, ValueError) as error:  # absl raises both
            where = f"{flagfile}: " if flagfile else ""
            message = _message(error, values, arguments)
            raise UsageError(where + " ".join(message.split())[:300]) from error
    return rest


def _message(error, values, arguments):
    """Return the message of an error of absl, with its cure.

    Args:
      error: Exception.
      values: FlagValues.
      arguments: list of str, the command's name first.
    """
    if not isinstance(error, absl_flags.UnrecognizedFlagError):
        files = [each for each in arguments if each.startswith("-") and os.path.lexists(each)]
        return f"{error}; {_file_cure(files[0])}" if files else str(error)
    given = str(error.flagvalue)  # the whole argument
    unknown = f"unknown flag {shown(given)}"
    if os.path.lexists(given) or ("." in given and "=" not in given):
        return f"{unknown}; {_file_cure(given)}"
    nearest = difflib.get_close_matches(error.flagname, values, n=1)
    hint = f"did you mean --{nearest[0]}? " if nearest else ""
    return f"{unknown}; {hint}mtl {arguments[0]} --help lists the flags"


def _file_cure(name):
    """Return what to do about a file whose name begins with a dash."""
    return f"for a file of this name write ./{shown(name)}, or write -- before the files"


def _check_fields(values):
    """Raise ValueError if a flag has a value that its field of Config rejects."""
    for name in config.FIELDS:
        if name in values and values[name].value is not None and not _asks_for_list(name, values):
            try:
                config.check(name, values[name].value)
            except ValueError as error:
                named = str(error).startswith(f"{name}=")
                raise ValueError(f"--{error}" if named else f"--{name}: {error}") from None


def _asks_for_list(name, values):
    return name == "objective" and values.objective == catalogue.LIST


def asked_for(values):
    """Return the text that a flag asks a command to print instead of its work, or None."""
    if "objective" in values and _asks_for_list("objective", values):
        return catalogue.table()
    return None


def to_config(values):
    """Return the Config of the flags; raise UsageError for an invalid combination.

    The code that it names can be imported from then on, see `find_own_code`.
    """
    record = _config(**{name: values[name].value for name in config.FIELDS})
    find_own_code(record)
    return record


def _config(**settings):
    """Return a Config; raise UsageError for an invalid combination."""
    try:
        return config.Config(**settings)
    except ValueError as error:
        raise UsageError(str(error)) from None


def find_own_code(record):
    """Add the current folder to the Python path if a Config names code of the user.

    The script `mtl` lacks it there, unlike `python -m mtl`.
    """
    own = [name for name, field in config.FIELDS.items() if field.metadata["own"]]
    named = any(fields.names_function(name, getattr(record, name)) for name in own)
    if named and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def value_or_run(values, name, run):
    """Return the value of a flag if it is given, else that of the run's Config."""
    value = values[name].value
    return getattr(run, name) if value is None else value


def flags_text(values):
    """Return the flags that repeat a run, one on each line.

    They do not include --model_dir, so that the run directory can be moved.
    """
    lines = []
    for name in config.FIELDS:
        line = values[name].serialize()
        if line != line.rstrip():  # a flagfile would drop trailing spaces of a folder name
            line += "/"
        lines.append(line + "\n")
    return "".join(lines)
