"""Every format of `mtl export` against `mtl predict` on the same images: the packaged network."""

import importlib.util
import os
import subprocess
import sys
import tempfile

import numpy as np

from mtl import kinds
from mtl.data import registry
from mtl.inputs import NUMBERS
from mtl.serving import formats
from tests import new_runs
from tests.benchmarks import export_sides, tables, turns

TITLE = "Exported models and `mtl predict`: the packaged network, four views"
PREDICT = "mtl predict"
DRAWN = 1000  # images of the difficulty of the packaged run
ONE = 100  # calls with one image in a turn
MANY = 5  # batches in a turn
OWN = ("IMAGES", "FEATURES")  # runs of other tasks, in tests/new_runs.py


def run(arguments):
    """Export, compare and print the tables."""
    sets = _sets(arguments.data_dir)
    described = [f"{len(images)} {name}" for name, (images, _) in sets.items()]
    print(f"Images: {' and '.join(described)}, as windows. {arguments.rounds} rounds in turns.\n")
    with tempfile.TemporaryDirectory() as folder:
        models = _models("pretrained", folder)
        players = [turns.Player(PREDICT, export_sides.predict, "pretrained")]
        players += [turns.Player(n, export_sides.exported, path) for n, path in models.items()]
        try:
            _print_numbers(players, models, sets, arguments.rounds)
        finally:
            for player in players:
                player.__exit__()
        _print_own(folder, list(models))


def _sets(data_dir):
    """Return the images and their numbers, dict name -> (windows, list of str)."""
    drawn = registry.load("synthetic", "", "test", count=DRAWN, difficulty=1.0)
    found = {"drawn test images": (drawn.inputs, drawn.numbers)}
    if data_dir:
        real = registry.load("svhn", data_dir, "test", inputs=NUMBERS)
        found["photographs of house numbers"] = (real.inputs, real.numbers)
    return found


def _models(model_dir, folder):
    """Export in all formats whose packages are installed; return dict name -> path of the model."""
    found = {}
    for name in export_sides.FORMATS:
        needed = export_sides.PACKAGES.get(name, ())
        missing = [each for each in needed if importlib.util.find_spec(each) is None]
        if missing:
            print(f"{name}: skipped, {', '.join(missing)} not installed.\n")
            continue
        for quantize in formats.quantizations(name):
            label = name if quantize == "none" else f"{name}, {quantize}"
            out = os.path.join(folder, os.path.basename(model_dir), label)
            command = [sys.executable, "-m", "mtl", "export", f"--model_dir={model_dir}"]
            command += [f"--out={out}", f"--format={name}", f"--quantize={quantize}"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            found[label] = os.path.join(out, "1", formats.find(name).FILE)
    return found


def _print_numbers(players, models, sets, rounds):
    """Print the table of accuracy, then that of time."""
    head = ["", "KB"]
    for name in sets:
        head += [f"{name}: largest difference", "numbers that differ", "accuracy", "points lost"]
    tables.table(head, _accuracies(players, models, sets))
    images = next(iter(sets.values()))[0]
    one = turns.alternate(players, rounds, "seconds", images[:1], ONE)
    many = turns.alternate(players, rounds, "seconds", images[: export_sides.BATCH], MANY)
    tables.table(
        ["", "ms for one image", "quartiles", "ms an image in batches of 64", "quartiles"],
        [[name, *_ms(one[name], ONE), *_ms(many[name], MANY * export_sides.BATCH)] for name in one],
    )


def _accuracies(players, models, sets):
    """Yield the rows of the first table."""
    expected = {}
    for player in players:
        path = models.get(player.name)
        row = [player.name, f"{os.path.getsize(path) / 1000:,.0f}" if path else ""]
        for name, (images, truths) in sets.items():
            numbers, probabilities = player.ask("outputs", images)
            first = expected.setdefault(name, (numbers, probabilities))
            differ = sum(mine != theirs for mine, theirs in zip(numbers, first[0]))
            accuracy, reference = _accuracy(numbers, truths), _accuracy(first[0], truths)
            row += [f"{np.abs(probabilities - first[1]).max():.1e}", str(differ)]
            row += [f"{accuracy:.2%}", f"{100 * (reference - accuracy):.2f}"]
        yield row


def _accuracy(numbers, truths):
    """Return the share of correct numbers; more than five digits are None."""
    return np.mean(
        [mine == (true if len(true) <= 5 else None) for mine, true in zip(numbers, truths)]
    )


def _ms(seconds, count):
    """Return the median and the quartiles of milliseconds, as text."""
    low, median, high = 1e3 * np.percentile(seconds, [25, 50, 75]) / count
    return f"{median:.2f}", f"{low:.2f} .. {high:.2f}"


def _print_own(folder, labels):
    """Print how far the formats differ from `mtl predict` for other tasks."""
    print("Other tasks: small networks with their first weights, 256 random examples. Largest")
    print("difference from mtl predict, of probabilities, and of values in standard deviations:\n")
    found = {name: _own(name, folder, labels) for name in OWN}
    rows = [[label, *(f"{found[name][label]:.1e}" for name in OWN)] for label in labels]
    tables.table(["", *(f"{name.lower()}" for name in OWN)], rows)


def _own(name, folder, labels):
    """Return the largest difference of each format for a run of new_runs, dict label -> float."""
    from mtl.inference import predictions
    from mtl.inference.network import Network
    from mtl.serving.export import freeze, write

    run = getattr(new_runs, name)
    directory = new_runs.write(os.path.join(folder, name), run)
    values = new_runs.values(run.inputs, 256)
    with Network.open(directory) as network:
        rows = predictions.predictions(network, range(len(values)), values)
    expected = [_joined({t: row["tasks"][t.name] for t in run.tasks}) for row in rows]
    frozen, found = freeze.network(directory), {}
    for label in labels:
        format, _, quantize = label.partition(", ")
        options = formats.Options(quantize or "none", lambda: values)
        out = os.path.join(folder, f"{name}-{label}")
        written = write.write(frozen, out, format, where=name, options=options)
        with export_sides.opened(written.path) as call:
            outputs = call(values)
        by_task = {}
        for task in run.tasks:
            keys = kinds.find(task.kind).served(task)
            by_task[task] = {key: outputs[f"{task.name}_{key}"] for key in keys}
        got = [_joined(_row(by_task, index)) for index in range(len(values))]
        found[label] = np.abs(np.array(got) - np.array(expected)).max()
    return found


def _row(by_task, index):
    """Return the predictions of one example, dict Task -> prediction."""
    found = {}
    for task, outputs in by_task.items():
        found[task] = {key: array[index] for key, array in outputs.items()}
    return found


def _joined(predicted):
    """Return the probabilities and the standardised values of a dict Task -> prediction, [k]."""
    parts = []
    for task, prediction in predicted.items():
        if "probabilities" in prediction:
            parts.append(np.asarray(prediction["probabilities"]))
        else:
            parts.append([(prediction["value"] - task.mean) / task.std])
    return np.concatenate(parts)
