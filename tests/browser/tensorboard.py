"""Event files in a real TensorBoard: scalars by their groups, the graph in the scopes of the diagram, pictures."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from tests.browser import driver

TRAIN = ["--steps=60", "--save_every=20", "--log_every=4", "--pool=256", "--batch_size=16"]
ROOTS = {"image", "shared", "length", "digit1", "digit2", "digit3", "digit4", "digit5", "labels", "loss", "cost", "gradients", "Adam"}


def check(browser, out):
    """Train, stop and continue, load both event files, and look at them as somebody with a browser does."""
    with tempfile.TemporaryDirectory() as folder:
        run = os.path.join(folder, "run")
        driver.mtl("train", f"--model_dir={run}", *TRAIN[1:], "--steps=40", "--schedule=constant")
        driver.mtl("train", f"--model_dir={run}", *TRAIN, "--schedule=constant")
        _loaded(run)
        with _served(folder) as url:
            allowed = (url, *driver.LOCAL)
            with driver.page(browser, f"{url}/#timeseries", allowed=allowed, viewport={"width": 1400, "height": 1000}) as page:
                page.locator("text=accuracy").first.wait_for()
                page.wait_for_timeout(2000)
                page.screenshot(path=os.path.join(out, "tensorboard-scalars.png"))
                groups = page.locator("mat-card-title, .group-title, .tag-group-name").all_inner_texts() or [page.locator("body").inner_text()]
                text = " ".join(groups)
                for group in ("accuracy", "grad_norm", "loss", "validation"):
                    assert group in text, f"no group {group}: {text[:300]}"
            with driver.page(browser, f"{url}/#images", allowed=allowed, viewport={"width": 1400, "height": 1000}) as page:
                page.wait_for_timeout(3000)
                page.screenshot(path=os.path.join(out, "tensorboard-images.png"))
                assert "validation/read" in page.locator("body").inner_text() or page.locator("img").count()
            with driver.page(browser, f"{url}/#graphs&run=run", allowed=allowed, viewport={"width": 1400, "height": 1000}) as page:
                page.wait_for_timeout(5000)
                page.screenshot(path=os.path.join(out, "tensorboard-graph.png"))
                drawn = set(page.locator("g.node text, g.nodeshape text, text.nodelabel").all_inner_texts())
                seen = ROOTS & {re.sub(r"\W.*", "", name) for name in drawn}
                assert seen == ROOTS, f"not drawn: {sorted(ROOTS - seen)}; drawn: {sorted(drawn)[:40]}"


def _loaded(run):
    """Hold what TensorBoard's own loader finds in the two files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    loaded = EventAccumulator(run, size_guidance={"scalars": 0, "images": 0})
    loaded.Reload()
    tags = loaded.Tags()
    assert tags["graph"] and tags["images"] == ["validation/read"], tags
    assert [event.step for event in loaded.Scalars("cost")] == list(range(4, 61, 4))
    assert [event.step for event in loaded.Scalars("accuracy/sequence")] == [20, 40, 60]
    assert [event.step for event in loaded.Images("validation/read")] == [20, 40, 60]
    assert {node.name.split("/")[0] for node in loaded.Graph().node} >= ROOTS


@contextlib.contextmanager
def _served(folder):
    """Run TensorBoard on a folder of runs, on this machine alone; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={folder}", "--host=127.0.0.1", f"--port={port}", "--load_fast=false"]
    with open(os.path.join(folder, "log"), "w+", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            url, end = f"http://127.0.0.1:{port}", time.monotonic() + 60
            while True:
                with contextlib.suppress(OSError):
                    if b"run" in urllib.request.urlopen(f"{url}/data/runs", timeout=5).read():
                        break
                log.seek(0)
                assert process.poll() is None and time.monotonic() < end, f"TensorBoard does not answer: {log.read()[-300:]}"
                time.sleep(0.3)
            yield url
        finally:
            process.terminate()
            process.wait()
