"""Event files in TensorBoard: the groups of scalars, the images, and the graph as a diagram."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from tests.browser import driver

TRAIN = ["--save_every=20", "--log_every=4", "--pool=256", "--batch_size=16", "--schedule=constant"]
ONE_STEP = ["--steps=1", "--batch_size=2", "--pool=16", "--log_every=1", "--workers=1"]
BOTTOMS = ("tiny", "light", "small", "mlp", "base", "paper")
TASKS = ("length", "digit1", "digit2", "digit3", "digit4", "digit5")
ROOTS = {"image", "shared", *TASKS, "loss", "cost", "gradients", "Adam"}
GROUPS = {
    "accuracy",
    "cost",
    "coverage_at_98",
    "examples_per_sec",
    "grad_norm",
    "loss",
    "lr",
    "validation",
}
VIEWPORT = {"width": 1400, "height": 1000}


def check(browser, out):
    """Train, continue, and check the event files with TensorBoard's loader and in the browser."""
    with tempfile.TemporaryDirectory() as folder:
        run = os.path.join(folder, "run")
        for steps in (40, 60):
            driver.mtl("train", f"--model_dir={run}", f"--steps={steps}", *TRAIN)
        _check_values(run)
        with _served(folder) as url:
            _check_scalars(browser, url, out)
            _check_images(browser, url, out)
    for bottom in BOTTOMS:
        with tempfile.TemporaryDirectory() as folder:
            flags = [f"--bottom={bottom}", *ONE_STEP, "--on_nonfinite=skip"]
            driver.mtl("train", f"--model_dir={folder}/run", *flags)
            with _served(folder) as url:
                path = os.path.join(out, f"tensorboard-graph-{bottom}.png")
                _check_graph(browser, url, bottom, path)


def _check_values(run):
    """Check the steps that TensorBoard's loader finds in the event files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    loaded = EventAccumulator(run, size_guidance={"scalars": 0, "images": 0})
    loaded.Reload()
    tags = loaded.Tags()
    assert tags["graph"], tags
    assert tags["images"] == ["validation/read"], tags
    assert _steps(loaded.Scalars("cost")) == list(range(4, 61, 4))
    assert _steps(loaded.Scalars("accuracy/sequence")) == [20, 40, 60]
    assert _steps(loaded.Images("validation/read")) == [20, 40, 60]
    assert {node.name.split("/")[0] for node in loaded.Graph().node} >= ROOTS


def _steps(events):
    """Return the steps of events."""
    return [event.step for event in events]


def _check_scalars(browser, url, out):
    """Check that TensorBoard shows all groups of scalars."""
    with _page(browser, f"{url}/#timeseries", url) as page:
        page.locator("text=accuracy").first.wait_for()
        page.wait_for_timeout(2000)
        page.screenshot(path=os.path.join(out, "tensorboard-scalars.png"))
        groups = page.locator(".group-title").all_inner_texts()
        assert set(groups) >= GROUPS, f"missing groups: {GROUPS - set(groups)}"


def _check_images(browser, url, out):
    """Check that TensorBoard shows the images of an evaluation."""
    with _page(browser, f"{url}/#images", url) as page:
        page.wait_for_timeout(3000)
        page.screenshot(path=os.path.join(out, "tensorboard-images.png"))
        widths = page.locator("img[src*=individualImage]").evaluate_all(
            "all => all.map(each => each.naturalWidth)"
        )
        assert max(widths, default=0) > 400, "TensorBoard shows no image"


def _check_graph(browser, url, bottom, path):
    """Check that the graph is drawn upwards: image, shared layers, tops, losses, cost."""
    with _page(browser, f"{url}/#graphs&run=run", url) as page:
        page.locator("g.node").first.wait_for()
        page.wait_for_timeout(2500)  # TensorBoard computes the layout, then moves the nodes
        page.locator("text=Fit to screen").click()
        page.wait_for_timeout(1500)
        page.screenshot(path=path)
        boxes = page.locator("g.node").evaluate_all(
            "all => all.map(each => [each.dataset.name, each.getBoundingClientRect().y])"
        )
    heights = dict(boxes)
    assert heights.keys() >= ROOTS, f"{bottom}: not drawn: {sorted(ROOTS - heights.keys())}"
    top = max(heights[name] for name in TASKS)
    order = [heights["image"], heights["shared"], top, heights["loss"], heights["cost"]]
    assert order == sorted(order, reverse=True), f"{bottom}: in the wrong order: {order}"


def _page(browser, address, url):
    """Open a page of TensorBoard, which may request its own URLs."""
    return driver.page(browser, address, allowed=(url, *driver.LOCAL), viewport=VIEWPORT)


@contextlib.contextmanager
def _served(folder):
    """Run TensorBoard on a folder of runs, for this machine only; yield its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={folder}"]
    command += ["--host=127.0.0.1", f"--port={port}", "--load_fast=false"]
    with open(os.path.join(folder, "log"), "w+", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait_for_run(url, process, log)
            yield url
        finally:
            process.terminate()
            process.wait()


def _wait_for_run(url, process, log):
    """Wait until TensorBoard lists the run."""
    end = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError):
            if b"run" in urllib.request.urlopen(f"{url}/data/runs", timeout=5).read():
                return
        log.seek(0)
        alive = process.poll() is None and time.monotonic() < end
        assert alive, f"TensorBoard does not answer: {log.read()[-300:]}"
        time.sleep(0.3)
