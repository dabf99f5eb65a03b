"""The page of `mtl serve` for other tasks: from images, from a few features, and from many."""

import dataclasses
import functools
import json
import os
import tempfile
import urllib.request

import numpy as np

from mtl import config, run_files, tasks
from mtl.inputs import Inputs
from tests import new_runs
from tests.browser import driver, serve_steps as use

TASKS = (
    tasks.Task("shade", 4),
    tasks.Task("kind", 100),
    tasks.Task("adult", 1, "binary"),
    tasks.Task("tags", 3, "binary"),
    tasks.Task("height", 1, "real", mean=170.0, std=8.0),
)
CONFIG = config.Config(
    bottom="mlp", tasks=tasks.text(TASKS), dataset="npz", data_dir="data", top_units="5"
)
TABLE = dataclasses.replace(CONFIG, dataset="table")
NAMES = ("length", "width_of_the_leaf_in_millimetres", "<weight>")
IMAGES = Inputs((30, 20, 1), 0)
FEW = Inputs((3,), 0, "float32", NAMES, (5.84, 3.05, -0.5), (0.8, 0.4, 1.7))
MANY = Inputs((60,), 0, "float32")


def check(browser, out):
    """Predict with three networks that are not trained."""
    with tempfile.TemporaryDirectory() as folder:
        for name, settings, inputs, step in (
            ("images", CONFIG, IMAGES, _check_images),
            ("features", TABLE, FEW, _check_features),
            ("many", TABLE, MANY, _check_many),
        ):
            run = run_files.Run(settings, TASKS, inputs)
            path = new_runs.write(os.path.join(folder, name), run)
            with driver.served(path, "--name=leaf") as url:
                _check_page(browser, url, step, os.path.join(out, f"serve-{name}"))


def _check_page(browser, url, step, path):
    """Check a page, before and after an answer, and take screenshots."""
    settings = {"allowed": (url, *driver.LOCAL)}
    prepare = functools.partial(step, url=url)
    driver.check_layout(browser, url, **settings)
    driver.check_layout(browser, url, prepare=prepare, **settings)
    for viewport in (driver.DESKTOP, driver.PHONE):
        with driver.page(browser, url, viewport=viewport, prepare=prepare, **settings) as page:
            overlaps = page.evaluate(use.OVERLAPS)
            assert not overlaps, f"texts overlap: {overlaps[:3]}"
    driver.screenshots(browser, url, *os.path.split(path), prepare=prepare, **settings)


def _predict(url, content):
    """Return the outputs that the server predicts, dict task name -> output."""
    with urllib.request.urlopen(f"{url}predict", content, timeout=30) as response:
        return json.load(response)["tasks"]


def _check_images(page, url):
    """Draw on an area with the shape of the images, dark on light and light on dark."""
    page.get_by_role("button", name="Draw").click()
    box = page.locator("#paper").bounding_box()
    assert abs(box["width"] / box["height"] - 20 / 30) < 0.01, box
    drawing = use.sent(page, lambda: use.draw_seven(page))
    _check_outputs(page, _predict(url, drawing))
    assert page.get_by_role("img", name="what the network saw").count() == 1
    light = use.sent(page, lambda: page.get_by_label("Light on dark").check())
    grey, negative = [np.asarray(use.image_of(each).convert("L")) for each in (drawing, light)]
    assert np.abs(255 - grey.astype(int) - negative).max() < 8  # edges are rounded
    _check_outputs(page, _predict(url, light))


def _check_features(page, url):
    """Predict from the means, then from other values with Enter; leave a field empty."""
    fields = [page.get_by_label(name, exact=True) for name in NAMES]
    values = [float(field.input_value()) for field in fields]
    assert np.allclose(values, FEW.mean), values
    page.get_by_role("button", name="Predict").click()
    _check_outputs(page, _predict(url, json.dumps({"features": values}).encode()))
    fields[1].fill("")
    fields[1].press("Enter")
    driver.until(page, "!byId('error').hidden")
    assert page.get_by_role("alert").inner_text().strip() == f"{NAMES[1]}: empty; enter a number."
    assert fields[1].get_attribute("aria-invalid") == "true"
    fields[1].fill("1.5e2")
    fields[1].press("Enter")
    _check_outputs(page, _predict(url, json.dumps({"features": [5.84, 150, -0.5]}).encode()))
    assert fields[1].get_attribute("aria-invalid") is None
    assert not page.get_by_role("alert").is_visible()


def _check_many(page, url):
    """Predict from one field; try too few values, and a value that is not a number."""
    field = page.get_by_role("textbox", name="Features")
    button = page.get_by_role("button", name="Predict")
    for text, fault in (
        ("1, 2 3;4", "Enter 60 numbers. There are 4."),
        ("1\n" * 59 + "x", "number 60: not a number; enter a number."),
    ):
        field.fill(text)
        button.click()
        driver.until(page, f"byId('fault').textContent === {fault!r}")
        assert page.evaluate("document.activeElement.id") == "features"
    field.fill(", ".join(["0.25"] * 60))
    button.click()
    _check_outputs(page, _predict(url, json.dumps({"features": [0.25] * 60}).encode()))


def _check_outputs(page, expected):
    """Check the text and the table of each task."""
    classes = [expected[name]["class"] for name in ("shade", "kind")]
    height = f"{expected['height']['value']:.5g}"
    driver.until(page, f"byId('result').textContent.includes({height!r})")
    shown = page.locator(".outputs dd b").all_inner_texts()
    yes = expected["adult"]["labels"] == [1]
    tags = ", ".join(str(i) for i, label in enumerate(expected["tags"]["labels"]) if label)
    assert shown[:2] == [f"class {each}" for each in classes]
    assert shown[2] == ("yes" if yes else "no")
    words = f"label{'s' * (',' in tags)} {tags}" if tags else "no label"
    assert shown[3:] == [words, height]
    assert "height: " in page.get_by_role("status").text_content()
    tables = {name: page.get_by_role("table", name=name) for name in ("shade", "kind", "tags")}
    assert tables["shade"].get_by_role("rowheader").all_inner_texts() == list("0123")
    assert tables["kind"].get_by_role("rowheader").all_inner_texts()[0] == str(classes[1])
    assert tables["kind"].locator("tbody tr").count() == 20
    assert tables["tags"].locator(".best").count() == sum(expected["tags"]["labels"])
