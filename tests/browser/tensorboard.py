"""Event files in a real TensorBoard: scalars by their groups, the graph in the scopes of the diagram, pictures."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from tests.browser import driver

TRAIN = ["--steps=60", "--save_every=20", "--log_every=4", "--pool=256", "--batch_size=16"]
ONE = [
    "--steps=1",
    "--batch_size=2",
    "--pool=16",
    "--log_every=1",
    "--workers=1",
    "--on_nonfinite=skip",
]
TASKS = ("length", "digit1", "digit2", "digit3", "digit4", "digit5")
ROOTS = {"image", "shared", *TASKS, "loss", "cost", "gradients", "Adam"}


def check(browser, out):
    """Train, stop and continue, load both event files, and look at them as somebody with a browser does."""
    with tempfile.TemporaryDirectory() as folder:
        run = os.path.join(folder, "run")
        driver.mtl("train", f"--model_dir={run}", *TRAIN[1:], "--steps=40", "--schedule=constant")
        driver.mtl("train", f"--model_dir={run}", *TRAIN, "--schedule=constant")
        _loaded(run)
        with _served(folder) as url:
            allowed = (url, *driver.LOCAL)
            with driver.page(
                browser,
                f"{url}/#timeseries",
                allowed=allowed,
                viewport={"width": 1400, "height": 1000},
            ) as page:
                page.locator("text=accuracy").first.wait_for()
                page.wait_for_timeout(2000)
                page.screenshot(path=os.path.join(out, "tensorboard-scalars.png"))
                groups = page.locator(".group-title").all_inner_texts()
                for group in (
                    "accuracy",
                    "cost",
                    "coverage_at_98",
                    "examples_per_sec",
                    "grad_norm",
                    "loss",
                    "lr",
                    "validation",
                ):
                    assert group in groups, f"no group {group}: {groups}"
            with driver.page(
                browser, f"{url}/#images", allowed=allowed, viewport={"width": 1400, "height": 1000}
            ) as page:
                page.wait_for_timeout(3000)
                page.screenshot(path=os.path.join(out, "tensorboard-images.png"))
                shown = page.locator("img[src*=individualImage]")
                assert shown.evaluate_all("all => all.some(each => each.naturalWidth > 400)"), (
                    "no picture is shown"
                )
        _graphs(browser, out)


def _graphs(browser, out):
    """Each bottom's graph is drawn, without an error, as the diagram is: image, shared, tops, loss and cost one above the other."""
    for bottom in ("small", "mlp", "base", "paper"):
        with tempfile.TemporaryDirectory() as folder:
            driver.mtl("train", f"--model_dir={folder}/run", f"--bottom={bottom}", *ONE)
            with _served(folder) as url:
                allowed, viewport = (url, *driver.LOCAL), {"width": 1400, "height": 1000}
                with driver.page(
                    browser, f"{url}/#graphs&run=run", allowed=allowed, viewport=viewport
                ) as page:
                    page.locator("g.node").first.wait_for()
                    page.wait_for_timeout(2500)  # it is laid out, then moved into its place
                    page.locator("text=Fit to screen").click()
                    page.wait_for_timeout(1500)
                    page.screenshot(path=os.path.join(out, f"tensorboard-graph-{bottom}.png"))
                    boxes = page.locator("g.node").evaluate_all(
                        "all => all.map(each => [each.getAttribute('data-name'), each.getBoundingClientRect().y])"
                    )
                    drawn = dict(boxes)
                    assert drawn.keys() >= ROOTS, (
                        f"{bottom}: not drawn: {sorted(ROOTS - drawn.keys())}; drawn: {sorted(drawn)[:40]}"
                    )
                    way = [
                        drawn["image"],
                        drawn["shared"],
                        max(drawn[name] for name in TASKS),
                        drawn["loss"],
                        drawn["cost"],
                    ]
                    assert way == sorted(way, reverse=True), (
                        f"{bottom}: not one above the other: {way}"
                    )


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
    command = [
        sys.executable,
        "-m",
        "tensorboard.main",
        f"--logdir={folder}",
        "--host=127.0.0.1",
        f"--port={port}",
        "--load_fast=false",
    ]
    with open(os.path.join(folder, "log"), "w+", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            url, end = f"http://127.0.0.1:{port}", time.monotonic() + 60
            while True:
                with contextlib.suppress(OSError):
                    if b"run" in urllib.request.urlopen(f"{url}/data/runs", timeout=5).read():
                        break
                log.seek(0)
                assert process.poll() is None and time.monotonic() < end, (
                    f"TensorBoard does not answer: {log.read()[-300:]}"
                )
                time.sleep(0.3)
            yield url
        finally:
            process.terminate()
            process.wait()
