"""The cold start of `mtl predict` with one image, compared with importing TensorFlow."""

import json
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

from mtl.data.drawn import synthetic
from tests.benchmarks import tables

TITLE = "Cold start of `mtl predict`: one image, the packaged network"

# The parts of the command in their order, in a process of their own.
PARTS = """
import json, sys, time
since = [time.perf_counter()]
def took():
    since.append(time.perf_counter())
    return since[-1] - since[-2]
parts = {}
from mtl.cli import console, predict
parts["command line"] = took()
console.start_tensorflow(0)
parts["TensorFlow, list of devices"] = took()
from mtl.data import images
from mtl.inference import predictions
from mtl.inference.network import Network
parts["modules of mtl, Pillow"] = took()
network = Network.open("pretrained")
parts["graph, session, weights"] = took()
window = images.window(images.read(sys.argv[1]))
parts["image"] = took()
predictions.predictions(network, [sys.argv[1]], [window], views=network.config.views)
parts["first prediction"] = took()
print(json.dumps(parts))
"""


def run(arguments):
    """Time the commands in turns and print both tables."""
    print(f"{arguments.rounds} rounds in turns.\n")
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        Image.fromarray(synthetic.load("", "test", count=1).inputs[0]).save(file.name)
        seconds, parts = _measure(file.name, arguments.rounds)
    for name, values in seconds.items():
        tables.record("cold", "", name, values, "s")
    rows = [[name, f"{np.median(values):.2f}"] for name, values in seconds.items()]
    tables.table(["", "seconds, median"], rows)
    ratio = np.median(np.divide(*seconds.values()))
    print(f"`mtl predict` takes {ratio:.2f} times as long (median of rounds). Its parts:\n")
    medians = {name: np.median([part[name] for part in parts]) for name in parts[0]}
    rows = [[name, f"{median:.2f}"] for name, median in medians.items()]
    tables.table(["", "seconds, median"], rows)


def _measure(path, rounds):
    """Return dict command -> list of seconds, and a list of dict part -> seconds."""
    commands = {
        "`mtl predict`": [sys.executable, "-m", "mtl", "predict", path],
        "`import tensorflow`": [sys.executable, "-c", "import tensorflow"],
    }
    seconds = {name: [] for name in commands}
    parts = []
    for number in range(rounds + 1):
        for name, command in commands.items():
            since = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            # The first round fills the cache of the disk.
            if number:
                seconds[name].append(time.perf_counter() - since)
        command = [sys.executable, "-c", PARTS, path]
        done = subprocess.run(command, check=True, capture_output=True)
        if number:
            parts.append(json.loads(done.stdout))
    return seconds, parts
