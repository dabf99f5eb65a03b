"""The cold start of `mtl predict` for one picture: how long, against importing TensorFlow alone, and where it goes."""

import json
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

from mtl.data.drawn import synthetic
from tests.benchmarks import tables

# The parts of the command, in its order, in a process of their own.
PARTS = """
import json, sys, time
since = [time.perf_counter()]
def took():
    since.append(time.perf_counter())
    return since[-1] - since[-2]
parts = {}
from mtl.cli import common, predict as command
parts["mtl's command line"] = took()
common.start_tensorflow(0)
parts["TensorFlow, its devices looked for"] = took()
from mtl import predict
from mtl.data import images
parts["mtl's own modules, Pillow"] = took()
network = predict.Network.open("pretrained")
parts["graph, session, weights"] = took()
window = images.window(images.read(sys.argv[1]))
parts["the picture"] = took()
predict.predictions(network.log_probs, [sys.argv[1]], [window], network.config.views)
parts["the first reading"] = took()
print(json.dumps(parts))
"""


def run(rounds=7):
    """Time the commands in turns and print both tables.

    Args:
      rounds: int.
    """
    print(
        f"### Cold start of `mtl predict`, one picture, the packaged network; {rounds} rounds in turns\n"
    )
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        Image.fromarray(synthetic.examples("test", 1).images[0]).save(file.name)
        commands = {
            "`mtl predict`": [sys.executable, "-m", "mtl", "predict", file.name],
            "`import tensorflow`": [sys.executable, "-c", "import tensorflow"],
        }
        seconds, parts = {name: [] for name in commands}, []
        for _ in range(rounds + 1):
            for name, command in commands.items():
                since = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                seconds[name].append(time.perf_counter() - since)
            done = subprocess.run(
                [sys.executable, "-c", PARTS, file.name], check=True, capture_output=True
            )
            parts.append(json.loads(done.stdout))
    seconds, parts = (
        {name: values[1:] for name, values in seconds.items()},
        parts[1:],
    )  # the first finds nothing in the disk's cache
    for name, values in seconds.items():
        tables.record("cold", "", name, values, "s")
    ratio = np.median(np.divide(*seconds.values()))
    tables.table(
        ["", "seconds, median"],
        [[name, f"{np.median(values):.2f}"] for name, values in seconds.items()],
    )
    print(f"`mtl predict` takes {ratio:.2f} times as long (median of rounds). It goes to:\n")
    tables.table(
        ["", "seconds, median"],
        [[name, f"{np.median([part[name] for part in parts]):.2f}"] for name in parts[0]],
    )
