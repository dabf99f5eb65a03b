"""`mtl compare`: train a grid of runs, and compare them on one page."""

import os
import sys
import time

from absl import flags as absl_flags

from mtl import catalogue, config as config_lib
from mtl.cli import console, flags, paths, signals
from mtl.errors import DataError, Interrupted, UsageError

USAGE = "mtl compare --out=DIR --objectives=LIST [--seeds=N] [--vary=FLAG=LIST] [--flag=value ...]"
SUMMARY = "train a grid of runs over seeds, and compare them on one page"


def define(values):
    """Define the flags of the grid, and those of a run."""
    text = "folder of the comparison: index.html, results.csv, and the run directories in runs/"
    paths.define(values, "out", "", text)
    text = (
        "objectives to compare, such as linear,log_sum,single; single trains one network for each "
        "task"
    )
    absl_flags.DEFINE_string("objectives", "", text, flag_values=values)
    text = "learning rates to choose from on validation, such as 1e-3,3e-3"
    absl_flags.DEFINE_string("learning_rates", "", text, flag_values=values)
    text = "runs of each setting, with the seeds --seed, --seed + 1, ..."
    absl_flags.DEFINE_integer("seeds", 1, text, lower_bound=1, flag_values=values)
    text = (
        "values of any flag of a run to compare, such as label_smoothing=0,0.1; may be repeated, "
        "then all combinations are trained; separate values that contain commas by semicolons"
    )
    absl_flags.DEFINE_multi_string("vary", None, text, flag_values=values)
    values["vary"].help = text  # absl adds that the flag may be repeated
    text = (
        "flags that vary and are not compared: validation chooses one value for each variant, the "
        "same for all seeds"
    )
    absl_flags.DEFINE_list("choose", ["learning_rate"], text, flag_values=values)
    text = (
        "how many seeds choose; the others are trained only with the chosen settings, which saves "
        "time; 0 is all"
    )
    absl_flags.DEFINE_integer("choose_seeds", 0, text, lower_bound=0, flag_values=values)
    text = "runs at a time; they share the cores"
    absl_flags.DEFINE_integer("jobs", 1, text, lower_bound=1, flag_values=values)
    text = (
        "evaluate the chosen settings on the test split; use it once, when nothing is left to "
        "choose"
    )
    absl_flags.DEFINE_boolean("test", False, text, flag_values=values)
    text = (
        "store the norms of the tasks' gradients and their cosines at each evaluation, as in mtl "
        "train; a run that is finished without them stays so"
    )
    absl_flags.DEFINE_boolean("monitor_gradients", False, text, flag_values=values)
    flags.define_gpu(values)
    flags.define_run(values)


def check(values, arguments):
    """Validate the flags and all combinations of the grid. Reads no file."""
    flags.check_no_arguments(arguments)
    if not values.out:
        raise UsageError("--out is required; name a folder: --out=runs/comparison")
    if values.objectives == catalogue.LIST:
        raise UsageError("--objectives takes names; mtl train --objective=list prints all of them")
    _grid(values)


def main(values, arguments):
    """Train what is missing, evaluate, and write the page; return the exit code."""
    from mtl.lab import comparison, page
    from mtl.lab.progress import Progress
    from mtl.runs import files

    varied, runs = _grid(values)
    for run in runs:
        flags.find_own_code(run.config)
    try:
        files.check_folder(values.out, "--out")
    except DataError as error:
        raise UsageError(str(error)) from None
    parallel = min(values.jobs, len(runs))
    common = [] if values.gpu_memory_growth else ["--nogpu_memory_growth"]
    options = [*common, "--monitor_gradients"] if values.monitor_gradients else common
    line = console.StatusLine()
    status = line.show if sys.stderr.isatty() else None
    about = page.About(_command(values), _common(values, varied), varied, values.choose)
    with signals.Caught() as signalled, comparison.opened(values.out, about) as folder:
        signalled.arm()

        def progress(jobs):
            return Progress(folder, jobs, parallel, line.say, status, time.monotonic)

        stopped = comparison.train(folder, runs, parallel, options, progress, signalled)
        if values.test and not stopped:
            stopped = comparison.test(folder, runs, parallel, common, progress, signalled)
        line.clear()
        found = comparison.write(values.out, runs, about)
    if stopped:
        done = f"{sum(not each.error for each in found.results)} of {len(found.results)} runs"
        what = f"stopped with {done} finished, the others saved"
        raise Interrupted(f"{values.out}: {what}; the same command continues", stopped)
    print(comparison.text(found, os.path.join(values.out, comparison.PAGE)))
    return comparison.exit_code(found)


def _grid(values):
    """Return the values of each flag that varies, and the runs; raise UsageError if wrong."""
    from mtl.lab import grid

    named = {"objective": values.objectives, "learning_rate": values.learning_rates}
    shorthands = {flag: text for flag, text in named.items() if text}
    varied = grid.varied(
        values.vary or [], shorthands, lambda flag, text: _parsed(values, flag, text)
    )
    if values["seeds"].present or grid.SEED not in varied:
        if grid.SEED in varied:
            raise UsageError("--seeds and --vary=seed=... exclude each other; remove one")
        if not varied and not values["seeds"].present:
            cure = "give --objectives=linear,log_sum, or --vary=FLAG=VALUE,VALUE"
            raise UsageError(f"nothing to compare; {cure}")
        varied[grid.SEED] = [values.seed + index for index in range(values.seeds)]
    _check_chosen(values, varied)
    settings = {name: values[name].value for name in config_lib.FIELDS}
    return varied, grid.runs(settings, varied, values.choose, values.choose_seeds)


def _parsed(values, flag, text):
    """Return the value of a flag, of its type; raise ValueError if it is wrong."""
    return values[flag].parser.parse(text)


def _check_chosen(values, varied):
    """Raise UsageError if --choose names a flag that does not vary."""
    for flag in values.choose if values["choose"].present else ():
        if flag not in varied or flag == "seed":
            known = ", ".join(name for name in varied if name != "seed") or "none"
            what = f"--choose={flag} is not a flag that varies ({known})"
            raise UsageError(f"{what}; add --vary={flag}=..., or remove it")


def _common(values, varied):
    """Return the flags of all runs that differ from the defaults."""
    default = {name: field.default for name, field in config_lib.FIELDS.items()}
    names = [name for name in default if name not in varied and values[name].value != default[name]]
    return [f"--{name}={values[name].value}" for name in names]


def _command(values):
    """Return the shell command that repeats the comparison."""
    import shlex

    given = []
    for name in values:
        if values[name].present and values[name].value is not None:
            given += filter(None, values[name].serialize().split("\n"))
    return " \\\n  ".join(["mtl compare", *map(shlex.quote, given)])
