"""Does sharing help? One network for all tasks against a network for each task.

    python -m tests.benchmarks.sharing digits [--seeds=5] [--split=test] [--FIELD=VALUE ...]

For each seed it trains the shared network of flags/NAME.flags and one network for each task, with
the same flags. It prints the accuracy (R2 of a real task) of both as a Markdown table, and the
difference with its 95% interval: a paired t interval over the seeds. The data stays the same, so
the interval covers the training and not the choice of test examples.

A network of one task trains on the examples that have a label for it. In a table it does not see
the labels of the other tasks.
"""

import argparse
import contextlib
import csv
import io
import os
import pathlib
import tempfile

import numpy as np
from absl import flags as absl_flags

from mtl import examples as examples_lib, tasks as tasks_lib
from mtl.cli import console, flags, main as command
from mtl.data import registry
from mtl.evaluation import by_task
from mtl.inference import reading
from mtl.inference.network import Network
from tests.benchmarks import tables

ROOT = pathlib.Path(__file__).resolve().parents[2]
R2 = "r2"
# The 0.975 quantile of Student's t, by degrees of freedom.
T_975 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sharing")
    parser.add_argument("example", choices=list(examples_lib.found()))
    parser.add_argument("--seeds", type=int, choices=range(2, 11), default=5)
    parser.add_argument("--split", default="test")
    arguments, more = parser.parse_known_args()
    console.set_backends()
    console.start_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        study = Study(arguments.example, arguments.split, more, folder)
        results = [study.seed(seed) for seed in range(arguments.seeds)]
    head = ["", "shared", "one for each task", "difference", "95% interval", "sharing"]
    tables.table(head, list(_rows(results)))


class Study:
    """The networks of one example."""

    def __init__(self, name, split, more, folder):
        """Write the data; more: list of str, flags added to those of the flagfile."""
        self._name, self._split, self._flags, self._folder = name, split, more, folder
        self._example = examples_lib.find(name)
        self._tasks = tasks_lib.parse(self._example.TASKS)
        self._data = os.path.join(folder, "data")
        examples_lib.write(self._example, self._data)
        self._runs = 0

    def seed(self, seed):
        """Return the scores with a seed: a list of (metric, shared, one for each task)."""
        labels, shared = self._train(self._example.TASKS, self._data, seed)
        alone = {}
        for task in self._tasks:
            alone.update(self._train(tasks_lib.text([task]), self._data_of(task), seed)[1])
        scores = [self._scores(outputs, labels) for outputs in (shared, alone)]
        return [(name, scores[0][name], scores[1][name]) for name in scores[0]]

    def _train(self, tasks, data_dir, seed):
        """Train a network; return the labels and its outputs on the split, dicts by task."""
        self._runs += 1
        model_dir = os.path.join(self._folder, f"run{self._runs}")
        flags = [*self._flags, f"--tasks={tasks}", f"--seed={seed}"]
        train(self._name, data_dir, model_dir, flags)
        with Network.open(model_dir) as network:
            dataset = self._example.DATASET
            loaded = registry.load(
                dataset, data_dir, self._split, tasks=network.tasks, inputs=network.inputs
            )
            return loaded.labels, reading.read(network, loaded.inputs)

    def _scores(self, outputs, labels):
        """Return the metrics that a reader compares, dict name -> float."""
        result = by_task.measure(outputs, labels, self._tasks, "linear")
        scores = {}
        for task in self._tasks:
            metrics = result["tasks"][task.name]
            metric = "accuracy" if "accuracy" in metrics else R2
            scores[f"{task.name}, {metric}"] = metrics[metric]
        if result["exact_match"] is not None:
            scores["exact match"] = result["exact_match"]
        return scores

    def _data_of(self, task):
        """Return the folder with the data for a network of one task."""
        if self._example.DATASET != "table":
            return self._data  # arrays that --tasks does not name are not read
        folder = os.path.join(self._folder, task.name)
        os.makedirs(folder, exist_ok=True)
        others = {each.name for each in self._tasks} - {task.name}
        for name in os.listdir(self._data):
            with open(os.path.join(self._data, name), encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            columns = [column for column in rows[0] if column not in others]
            with open(os.path.join(folder, name), "w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, columns, extrasaction="ignore")
                writer.writeheader()
                writer.writerows(row for row in rows if row[task.name])
        return folder


def train(name, data_dir, model_dir, flags):
    """Run `mtl train` with the flagfile of an example; flags: list of str, more flags."""
    paths = [f"--data_dir={data_dir}", f"--model_dir={model_dir}"]
    arguments = ["train", *_flagfile(name), *flags, *paths, "--notensorboard"]
    with contextlib.redirect_stdout(io.StringIO()):
        code = command.run(arguments)
    if code:
        raise SystemExit(f"benchmarks: mtl {' '.join(arguments)}: exit code {code}")


def config_of(name):
    """Return the Config of the flagfile of an example."""
    values = absl_flags.FlagValues()
    flags.define_run(values)
    flags.define(values)
    flags.parse(values, ["train", *_flagfile(name)])
    return flags.to_config(values)


def _flagfile(name):
    return [f"--flagfile={os.path.join(ROOT, 'flags', name)}.flags"]


def _rows(results):
    """Yield the rows of the table; results: for each seed, that of Study.seed."""
    for metric in zip(*results):
        name = metric[0][0]
        shared, alone = np.array([[one, other] for _, one, other in metric]).T
        low, high = interval(shared - alone)
        verdict = "no difference found"
        if low > 0:
            verdict = "helps"
        elif high < 0:
            verdict = "hurts"
        # Shares in percent, differences of shares in points.
        scale, spec, sign = (1, ".4f", "") if name.endswith(R2) else (100, ".2f", "%")
        means = [f"{scale * values.mean():{spec}}{sign}" for values in (shared, alone)]
        ends = [f"{scale * end:+{spec}}" for end in (low, high)]
        difference = f"{scale * (shared - alone).mean():+{spec}}"
        yield [name, *means, difference, " to ".join(ends), verdict]


def interval(differences):
    """Return the 95% t interval of the mean of a few differences, (low, high)."""
    count = len(differences)
    half = T_975[count - 1] * np.std(differences, ddof=1) / np.sqrt(count)
    return np.mean(differences) - half, np.mean(differences) + half


if __name__ == "__main__":
    main()
