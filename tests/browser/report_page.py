"""The page of `mtl evaluate --report`: of a short run, and of images with hostile names."""

import io
import os
import pathlib
import shutil
import tempfile

import numpy as np
from PIL import Image

from mtl.reports.report import PLOTS
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
    "Tasks",
    "Accuracy by length",
    "Accuracy and coverage",
    "Confidence and accuracy",
    "Confusion",
    "Most confident mistakes",
    "Training",
    "Flags and environment",
    "Reproduce",
]
FIRST_PAINT = 1000.0  # milliseconds
DARKEST = 60  # the mean grey value of a plot in dark mode is at most this, of 255


def check(browser, out):
    """Check what users do with the page; write screenshots into the folder `out`."""
    with tempfile.TemporaryDirectory() as folder:
        run, report = os.path.join(folder, "run"), os.path.join(folder, "report")
        driver.mtl("train", f"--model_dir={run}", *SMALL)
        driver.mtl("evaluate", f"--model_dir={run}", "--count=300", f"--report={report}")
        path = os.path.join(report, "index.html")
        driver.check_layout(browser, path)
        _check_content(browser, path)
        _check_links(browser, path)
        _check_keyboard(browser, path)
        _check_phone(browser, path)
        _check_alone(browser, path, folder)
        _check_dark(browser, path)
        _check_print(browser, path)
        _check_hostile(browser, run, folder)
        driver.screenshots(browser, path, out, "report")


def _check_content(browser, path):
    with driver.page(browser, path) as page:
        milliseconds = driver.first_paint(page)
        assert milliseconds < FIRST_PAINT, f"first paint after {milliseconds:.0f} ms"
        assert page.locator("h2").all_inner_texts() == SECTIONS
        assert page.locator("header strong").inner_text().endswith("%")
        assert "95% interval" in page.locator("header").inner_text()
        counts = {"table": 14, ".mistakes img": 96, ".plot img": len(PLOTS)}
        for selector, count in counts.items():
            assert page.locator(selector).count() == count, selector
        cells = page.locator("#confusion .scroll").first.locator("td.number")
        aligned = cells.evaluate_all("cells => cells.map(c => getComputedStyle(c).textAlign)")
        assert set(aligned) == {"right"}


def _check_links(browser, path):
    """Check that each link of the navigation scrolls to its section."""
    with driver.page(browser, path) as page:
        for link in page.locator("nav a").all():
            link.click()
            top = page.locator(link.get_attribute("href")).bounding_box()["y"]
            at_end = page.evaluate(
                "Math.ceil(scrollY + innerHeight) >= document.documentElement.scrollHeight"
            )
            reached = -page.viewport_size["height"] < top < 40
            assert reached or at_end, f"{link.inner_text()} is {top:.0f} pixels below the top"


def _check_keyboard(browser, path):
    """Check that Tab shows the skip link, and that Enter opens the plot of the confusion."""
    with driver.page(browser, path) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.locator(".skip").bounding_box()["x"] >= 0
        page.locator("summary").press("Enter")
        assert page.locator("details img").is_visible()


def _check_phone(browser, path):
    """Check that the keyboard scrolls what is wider than the screen, and that the caption stays."""
    with driver.page(browser, path, viewport=driver.PHONE) as page:
        page.locator("summary").press("Enter")
        for selector in ("details .plot", "#lengths .scroll"):
            page.locator(selector).focus()
            page.keyboard.press("ArrowRight")
            driver.until(page, f"document.querySelector('{selector}').scrollLeft > 0")
        box = page.locator("#lengths caption").bounding_box()
        assert 0 <= box["x"] and box["x"] + box["width"] <= driver.PHONE["width"], box


def _check_alone(browser, path, folder):
    """Check that the page is complete without the files beside it."""
    alone = os.path.join(folder, "sent", "page.html")
    os.mkdir(os.path.dirname(alone))
    shutil.copy(path, alone)
    driver.check_layout(browser, alone)


def _check_dark(browser, path):
    """Check that the page and its plots are light in light mode and dark in dark mode."""
    backgrounds = []
    for dark in (False, True):
        with driver.page(browser, path, dark=dark) as page:
            backgrounds.append(_background(page, "body"))
            shot = page.locator("#lengths .plot").screenshot()
        with Image.open(io.BytesIO(shot)) as image:
            mean = np.asarray(image.convert("L")).mean()
        assert mean < DARKEST if dark else mean > 255 - DARKEST, f"a plot with {dark=}: {mean:.0f}"
    assert backgrounds[0] != backgrounds[1], f"light and dark are the same: {backgrounds[0]}"


def _background(page, selector):
    return page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).backgroundColor")


def _check_print(browser, path):
    """Check that a print is light and has no navigation, also for a user who prefers dark pages."""
    with driver.page(browser, path, dark=True) as page:
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 30, 33)"
        assert not page.locator("nav").is_visible() and page.locator("h1").is_visible()
        assert len(page.pdf()) > 10_000


def _check_hostile(browser, run, folder):
    """Check that a file name with HTML is shown as text."""
    data, report = pathlib.Path(folder, "data"), os.path.join(folder, "hostile")
    (data / "test").mkdir(parents=True)
    Image.new("RGB", (64, 64), (200, 30, 30)).save(data / "test" / HOSTILE)
    (data / "test" / "labels.csv").write_text(f"file,label\n{HOSTILE},98765\n", encoding="utf-8")
    dataset = ["--dataset=folder", f"--data_dir={data}"]
    driver.mtl("evaluate", f"--model_dir={run}", *dataset, f"--report={report}")
    with driver.page(browser, os.path.join(report, "index.html")) as page:
        assert HOSTILE in page.locator(".mistakes li").inner_text()
        assert page.locator("img").evaluate_all("all => all.every(i => i.src.startsWith('data:'))")
