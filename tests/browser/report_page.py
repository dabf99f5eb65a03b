"""The page of `mtl evaluate --report`, of a run of some dozen steps and of pictures with hostile names."""

import os
import pathlib
import shutil
import tempfile

from PIL import Image

from tests.browser import driver

HOSTILE = "<img src=x onerror=alert(1)>.png"
SMALL = [
    "--bottom=mlp",
    "--steps=60",
    "--save_every=20",
    "--pool=256",
    "--workers=1",
    "--label_smoothing=0.1",
]
SECTIONS = [
    "Each task",
    "By length",
    "By confidence",
    "Confusion",
    "Surest mistakes",
    "Training",
    "Flags and environment",
    "Reproduce",
]
SECOND = 1000.0  # milliseconds, until something is to be seen


def check(browser, out):
    """Hold the page against what somebody does with it; screenshots go into the folder `out`."""
    with tempfile.TemporaryDirectory() as folder:
        run, report = os.path.join(folder, "run"), os.path.join(folder, "report")
        driver.mtl("train", f"--model_dir={run}", *SMALL)
        driver.mtl("evaluate", f"--model_dir={run}", "--count=300", f"--report={report}")
        path = os.path.join(report, "index.html")
        driver.check_layout(browser, path)
        _reading(browser, path)
        _alone(browser, path, folder)
        _dark_and_print(browser, path)
        _hostile(browser, run, folder)
        driver.screenshots(browser, path, out, "report")


def _reading(browser, path):
    with driver.page(browser, path) as page:
        assert driver.first_paint(page) < SECOND, (
            f"first paint after {driver.first_paint(page):.0f} ms"
        )
        assert page.locator("h2").all_inner_texts() == SECTIONS
        assert (
            page.locator("header strong").inner_text().endswith("%")
            and "95% interval" in page.locator("header").inner_text()
        )
        assert [page.locator(what).count() for what in ("table", ".mistakes img", ".plot img")] == [
            13,
            96,
            4,
        ]
        for link in page.locator("nav a").all():
            link.click()
            place = page.locator(link.get_attribute("href")).bounding_box()
            seen = page.viewport_size["height"]
            at_the_end = page.evaluate(
                "Math.ceil(scrollY + innerHeight) >= document.documentElement.scrollHeight"
            )
            assert -seen < place["y"] < 40 or at_the_end, (
                f"{link.inner_text()} leads to {place['y']:.0f} pixels below the top"
            )
        page.goto(pathlib.Path(path).as_uri())
        page.keyboard.press("Tab")
        assert (
            page.evaluate("document.activeElement.className") == "skip"
            and page.locator(".skip").bounding_box()["x"] >= 0
        )
        page.locator("summary").press("Enter")
        assert page.locator("details img").is_visible()
        region = page.locator("#confusion .scroll").first
        numbers = region.locator("td.number").evaluate_all(
            "cells => cells.map(c => getComputedStyle(c).textAlign)"
        )
        assert set(numbers) == {"right"}
    with driver.page(browser, path, viewport=driver.PHONE) as page:
        plot = page.locator("#lengths .plot")
        plot.focus()
        page.keyboard.press("ArrowRight")
        driver.until(page, "document.querySelector('#lengths .plot').scrollLeft > 0")


def _alone(browser, path, folder):
    """The page is whole without the files beside it."""
    alone = os.path.join(folder, "sent", "page.html")
    os.mkdir(os.path.dirname(alone))
    shutil.copy(path, alone)
    driver.check_layout(browser, alone)


def _dark_and_print(browser, path):
    grounds = []
    for dark in (False, True):
        with driver.page(browser, path, dark=dark) as page:
            grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            assert (
                page.evaluate("getComputedStyle(document.querySelector('.plot')).backgroundColor")
                == "rgb(255, 255, 255)"
            )
    assert grounds[0] != grounds[1], f"light and dark are the same: {grounds[0]}"
    with driver.page(browser, path) as page:
        page.emulate_media(media="print")
        assert not page.locator("nav").is_visible() and page.locator("h1").is_visible()
        assert len(page.pdf()) > 10_000


def _hostile(browser, run, folder):
    data, report = pathlib.Path(folder, "data"), os.path.join(folder, "hostile")
    (data / "test").mkdir(parents=True)
    Image.new("RGB", (64, 64), (200, 30, 30)).save(data / "test" / HOSTILE)
    (data / "test" / "labels.csv").write_text(f"file,label\n{HOSTILE},98765\n", encoding="utf-8")
    driver.mtl(
        "evaluate",
        f"--model_dir={run}",
        "--dataset=folder",
        f"--data_dir={data}",
        f"--report={report}",
    )
    with driver.page(
        browser, os.path.join(report, "index.html")
    ) as page:  # it fails where anything is asked for, or a dialog opens
        assert HOSTILE in page.locator(".mistakes li").inner_text()
        assert page.locator("img").evaluate_all("all => all.every(i => i.src.startsWith('data:'))")
