"""A comparison in its folder: train the runs, evaluate them on test, write the page."""

import contextlib
import glob
import json
import os
from collections.abc import Callable, Sequence

from mtl import machine
from mtl.errors import UsageError, shown as printable
from mtl.lab import grid, lock, page, results as results_lib, rows, summary, variants, work
from mtl.lab.grid import Run
from mtl.lab.sections import shown
from mtl.lab.summary import Comparison
from mtl.reports.rows import to_csv
from mtl.runs import files

MARK = "grid.json"  # the file that tells the folder of a comparison from any other
LOCK = "lock"
RUNS = "runs"
PAGE = "index.html"
ENDS = 20  # progress lines of a run, at least; each gives a speed

Report = Callable[[dict[str, Run]], work.Events]


@contextlib.contextmanager
def opened(out: str, about: page.About):
    """Create the folder of a comparison, or open an earlier one, and lock it, in `with`.

    Yields:
      the folder of the runs.

    Raises:
      UsageError: the folder holds something else, or another process uses it.
    """
    names = os.listdir(out) if os.path.isdir(out) else []
    if names and MARK not in names:
        what = f"holds {printable(sorted(names)[0])}, and is not a comparison of mtl"
        raise UsageError(f"{out}: {what}; choose another --out")
    folder = os.path.join(out, RUNS)
    os.makedirs(folder, exist_ok=True)
    with lock.held(os.path.join(out, LOCK)) as free:
        if not free:
            cure = "wait for it, end it, or choose another --out"
            raise UsageError(f"{out}: another comparison runs here; {cure}")
        record = {"command": about.command, "values": dict(about.values)}
        work.write_json(os.path.join(out, MARK), record)
        yield folder


def train(
    folder: str, runs: Sequence[Run], parallel: int, options: Sequence[str], report, stop
) -> int:
    """Train the runs that are not finished: those that choose, then those of chosen settings.

    Args:
      folder: of the runs.
      runs: the grid.
      parallel: processes at a time; they share the cores.
      options: flags of `mtl train` for all runs, besides those of their Config.
      report: function (dict name of a job -> Run) -> progress.Progress.
      stop: see work.Events.

    Returns:
      the number of the signal that stopped it, or 0.
    """
    choosing = [run for run in runs if run.chooses]
    stopped = _train(folder, choosing, parallel, options, report, stop)
    if stopped or len(choosing) == len(runs):
        return stopped
    needed = [result.run for result in _read(folder, runs)]
    return _train(folder, needed, parallel, options, report, stop)


def _train(folder, runs, parallel, options, report, stop):
    share = max(1, machine.cores() // parallel)
    jobs = []
    for run in runs:
        directory = os.path.join(folder, run.name)
        config = run.config
        arguments = [
            "train",
            f"--model_dir={directory}",
            "--verbosity=1",  # progress lines, which give the time of a step
            "--notensorboard",
            *options,
            *grid.arguments(config),
            f"--log_every={max(1, min(config.log_every, config.steps // ENDS))}",
            f"--threads={config.threads or share}",
            f"--workers={config.workers or share}",
        ]
        jobs.append(work.Job(run.name, arguments, os.path.join(directory, LOCK)))
    names = {run.name: run for run in runs}
    return _work(folder, jobs, parallel, report(names), stop, careful=True)


def test(
    folder: str, runs: Sequence[Run], parallel: int, options: Sequence[str], report, stop
) -> int:
    """Evaluate the runs of the chosen settings on test, unless they are. Arguments as `train`."""
    jobs, names = [], {}
    for variant in variants.of_results(_read(folder, runs)):
        for result in variant.chosen:
            if not result.error:
                name = results_lib.name_of_test(result.run)
                where = f"--model_dir={os.path.join(folder, result.run.name)}"
                jobs.append(work.Job(name, ["evaluate", where, "--split=test", "--json", *options]))
                names[name] = result.run
    return _work(folder, jobs, parallel, report(names), stop)


def _read(folder, runs):
    """Return the results of the runs of a grid that the comparison needs."""
    return variants.without_needless([results_lib.read(folder, run) for run in runs])


def _work(folder, jobs, parallel, progress, stop, careful=False):
    events = work.Events(progress.ended, progress.waiting, stop)
    return work.run(folder, jobs, parallel, events, careful)


def write(out: str, runs: Sequence[Run], about: page.About) -> Comparison:
    """Write results.csv and the page; return the Comparison."""
    folder = os.path.join(out, RUNS)
    found = summary.make(_read(folder, runs))
    tested = len(glob.glob(os.path.join(glob.escape(folder), "*.test.json")))
    about = about._replace(tested=tested, versions=_versions(folder, runs))
    table = rows.of_results(found, about.values)
    for name, text in ((page.RESULTS, to_csv(table)), (PAGE, page.html(found, about))):
        with files.whole(os.path.join(out, name)) as path:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
    return found


def _versions(folder, runs):
    """Return the versions and the machine of the first run that has a record of them."""
    for run in runs:
        try:
            with open(os.path.join(folder, run.name, "versions.json"), encoding="utf-8") as file:
                return dict(json.load(file))
        except (OSError, ValueError, TypeError):
            continue
    return {}


def text(comparison: Comparison, path: str) -> str:
    """Return the scores as lines of text, and where the page is."""
    name, spec = summary.score_spec(comparison)
    split, found = "validation", comparison.validation
    if comparison.test:
        split, found = "test", comparison.test
    width = max(len(variant.label) for variant in comparison.variants)
    lines = [f"{name} on {split}, mean and half of the 95% interval over the seeds"]
    for variant, each in zip(comparison.variants, found):
        lines.append(f"{variant.label:<{width}}  {shown(each.score, spec)}")
    failed = [result for result in comparison.results if result.error]
    if failed:
        first = f"{failed[0].run.name}: {failed[0].error}"
        lines.append(f"{len(failed)} of {len(comparison.results)} runs have no result: {first}")
    return "\n".join([*lines, f"page: {path}"])


def exit_code(comparison: Comparison) -> int:
    """Return 0, or the exit code of the first run if no run has a result."""
    if not all(result.error for result in comparison.results):
        return 0
    ended = comparison.results[0].ended
    return (ended.code if ended else 0) or 2
