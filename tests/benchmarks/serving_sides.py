"""The sides of the benchmark of the server: mtl in its process, mtl serve, and other servers."""

import contextlib
import http.client
import os
import re
import socket
import subprocess
import sys
import time

import numpy as np

START = 120.0  # seconds that a server may take to start


@contextlib.contextmanager
def in_process():
    """Yield Direct with the packaged network; for turns.Player."""
    from mtl.cli.console import start_tensorflow

    start_tensorflow()
    from mtl.inference.network import Network

    with Network.open("pretrained") as network:
        yield Direct(network)


class Direct:
    """The functions behind `mtl predict`, without HTTP."""

    def __init__(self, network):
        self._network = network

    def predict(self, images, seconds):
        """Predict the same images again and again; return the seconds of each call."""
        from mtl.inference import predictions

        found, names = [], list(range(len(images)))
        settings = {"views": self._network.config.views, "temperature": self._network.temperature}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            start = time.perf_counter()
            predictions.predictions(self._network, names, list(images), **settings)
            found.append(time.perf_counter() - start)
        return found


def images(count, seed=0):
    """Return noise in the size of the packaged network, uint8 [count, 64, 64, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)


@contextlib.contextmanager
def mtl(model_dir, *flags):
    """Serve a run or an export with `mtl serve`, in `with`; yield its port and its process."""
    command = [sys.executable, "-m", "mtl", "serve", f"--model_dir={model_dir}", "--port=0", *flags]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:  # TensorFlow may write before
            found = re.search(r"at http://127\.0\.0\.1:(\d+)", line)
            if found:
                break
        else:
            raise SystemExit("benchmarks: mtl serve does not start")
        yield int(found[1]), process
    finally:
        process.terminate()
        process.communicate(timeout=60)


@contextlib.contextmanager
def other(python, module, export):
    """Serve an export with another server, in `with`; yield its port and its process.

    Args:
      python: path of the Python that has the server's packages.
      module: of this folder, `python -m MODULE PORT EXPORT`.
      export: the path of a SavedModel.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [python, "-m", f"tests.benchmarks.{module}", str(port), export]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "BENTOML_DO_NOT_TRACK": "True"}
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    try:
        _wait(port, process, module)
        yield port, process
    finally:
        os.killpg(process.pid, 15)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)


def _wait(port, process, name):
    """Wait until a server answers a request for pixels."""
    from tests.benchmarks import serving_load

    end = time.monotonic() + START
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            data = serving_load.pixels_json(images(1), "/predict")
            if not serving_load.closed(port, [data], 1, 0.1).errors:
                return
        time.sleep(0.5)
    raise SystemExit(f"benchmarks: the server of {name} does not answer")


def export(out):
    """Write the packaged network as a SavedModel into a folder."""
    command = [sys.executable, "-m", "mtl", "export", "--model_dir=pretrained", f"--out={out}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
