"""`mtl cluster`: a whole cluster of `mtl train` on this machine, for teaching and tests."""

import os
import shutil
import sys

from absl import flags as absl_flags

from mtl import machine
from mtl.cli import console, flags, signals, train
from mtl.cluster import launch, simulate
from mtl.errors import UsageError

USAGE = "mtl cluster --workers=N --ps=N --model_dir=DIR [--flagfile=FILE] [any flag of mtl train]"
SUMMARY = "train in a cluster of processes on this machine, for teaching and tests"
MOST = 64  # processes of a job
# The flags that mtl train does not get.
OWN = ("workers", "ps", "evaluator", "simulate", "only_check_args")
# The flags of mtl train that this command gives to each process, and what to do instead.
GIVEN = {
    "job_name": "use --workers and --ps",
    "task_index": "use --workers and --ps",
    "ps_hosts": "use --ps",
    "worker_hosts": "use --workers",
    "chief_hosts": "use --workers",
    "slurm_ps": "use --ps",
    "slurm_port": "use --ps",
    "separate_evaluator": "use --evaluator",
}


def define(values):
    """Define the flags of the cluster. All others are those of `mtl train`, see `parse`."""
    text = (
        "processes that compute, the chief included; the flag --workers of mtl train, which counts "
        "the processes that prepare images, can be given in a flagfile only"
    )
    absl_flags.DEFINE_integer("workers", 2, text, 1, MOST, flag_values=values)
    _define_others(values)


def _define_others(values):
    """Define the flags of the cluster that `mtl train` does not have."""
    text = "parameter servers: processes that hold the variables"
    absl_flags.DEFINE_integer("ps", 1, text, 1, MOST, flag_values=values)
    text = "start a process that evaluates, so that the chief does not"
    absl_flags.DEFINE_boolean("evaluator", False, text, flag_values=values)
    text = (
        "start nothing, and print how fast a cluster would be: its workers, ps, Gbit/s of each "
        "machine and, if it is not 50us, the latency, such as 8,2,10 or 8,2,10,0.1ms"
    )
    absl_flags.DEFINE_string("simulate", "", text, flag_values=values)


def parse(values, arguments):
    """Parse the flags of OWN; return all other arguments, which are those of `mtl train`."""
    own, others = [], []
    words = iter(arguments[1:])
    for word in words:
        name, equals, _ = word.lstrip("-").partition("=")
        if word == "--":
            others += [word, *words]
        elif not word.startswith("-") or name.removeprefix("no") not in OWN:
            others.append(word)
        else:
            own.append(word)
            if not equals and name in OWN and not values[name].boolean:
                own.append(next(words, ""))
    flags.parse(values, [arguments[0], *own])
    return others


def check(values, arguments):
    """Validate the flags as `mtl train` does in the process of the chief. Reads no file."""
    if values.simulate:
        simulate.parse(values.simulate)
    else:
        _of_train(values, arguments)


def main(values, arguments):
    """Start the processes, show their output, and return the exit code of the chief.

    With --simulate, only print a prediction.
    """
    if values.simulate:
        print(simulate.report(*simulate.parse(values.simulate)))
        return 0
    given = _of_train(values, arguments)
    share = max(1, machine.cores() // values.workers)
    shares = [f"--threads={given.threads or share}", f"--workers={given.workers or share}"]
    line = console.StatusLine()
    columns = shutil.get_terminal_size().columns if sys.stderr.isatty() else None

    def result(text):
        line.clear()
        print(text, flush=True)

    show = launch.Show(line.say, result, line.show)
    with launch.free_ports(values.workers + values.ps) as ports:
        launched = launch.Launched(_jobs(values, ports), [*shares, *arguments], show, columns)

        def kill():
            launched.kill()
            line.clear()

        with signals.Caught() as signalled, signals.at_second(kill):
            signalled.arm()
            try:
                return launched.run(signalled)
            finally:
                line.clear()


def _jobs(values, ports):
    """Return the processes of the cluster."""
    return launch.jobs(values.workers, values.ps, ports, values.evaluator)


def _of_train(values, arguments):
    """Return the FlagValues of `mtl train`, as the chief will have them.

    Args:
      values: FlagValues of this command.
      arguments: list of str, those of `mtl train`.

    Raises:
      UsageError: `mtl train` would refuse them, or this command gives them.
    """
    os.environ.pop("TF_CONFIG", None)  # this cluster is another one
    found = absl_flags.FlagValues()
    train.define(found)
    flags.define(found)
    _define_others(found)  # so that a wrong name suggests them
    rest = flags.parse(found, ["train", *arguments])
    for name in ("ps", "evaluator", "simulate"):
        if found[name].present:
            raise UsageError(f"--{name} does not work in a flagfile; give it on the command line")
    for name, cure in GIVEN.items():
        if found[name].present:
            what = f"--{name} is given to each process by mtl cluster"
            raise UsageError(f"{what}; remove it, and {cure}")
    if flags.asked_for(found):
        raise UsageError("--objective=list trains nothing; use mtl train --objective=list")
    chief, *_ = _jobs(values, range(1, values.workers + values.ps + 1))
    flags.parse(found, ["train", *chief.flags])
    train.check(found, rest)
    return found
