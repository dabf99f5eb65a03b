"""The page of `mtl compare`, of made-up results of 12 variants with long names."""

import os
import tempfile

from mtl.lab import page, summary
from mtl.lab.page import About
from tests.browser import driver
from tests.lab import made

VALUES = {
    "objective": ["linear", "log_sum", "single"],
    "label_smoothing": [0.0, 0.1, 0.2, 0.3],
    "learning_rate": [0.001, 0.003],
    "seed": [0, 1, 2],
}


def check(browser, out):
    """Check the layout of the page; write screenshots into the folder `out`."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "index.html")
        with open(path, "w", encoding="utf-8") as file:
            file.write(_page())
        driver.check_layout(browser, path)
        _check_charts(browser, path)
        driver.screenshots(browser, path, out, "compare")


def _page():
    """Return the page of results that rise over the steps; one run failed."""
    results = []
    for run in made.runs(VALUES):
        base = 0.5 + run.config.label_smoothing + 0.02 * run.config.seed
        evaluations = []
        for step in (100, 200, 300):
            monitor = {"weights": {"a": 100.0, "h": float(step)}, "norms": {"a": 0.5}}
            score = base * step / 400
            evaluations.append(made.evaluation(step, score, score, 1.0, **monitor))
        last = evaluations.pop()
        results.append(made.result(run, last, before=evaluations))
    results[0] = results[0]._replace(ended=made.DIVERGED)
    about = About("mtl compare --out=runs/comparison", ["--steps=4"], VALUES, ["learning_rate"])
    return page.html(summary.make(results), about)


def _check_charts(browser, path):
    """Check that no text of a chart is smaller than 9 pixels on a phone, or outside its chart."""
    with driver.page(browser, path, viewport=driver.PHONE) as opened:
        wrong = opened.evaluate(
            """[...document.querySelectorAll(".chart")].flatMap((chart) => {
                const box = chart.getBoundingClientRect();
                return [...chart.querySelectorAll("text")].filter((text) => {
                    const own = text.getBoundingClientRect();
                    const inside = own.left >= box.left - 1 && own.right <= box.right + 1;
                    return own.height < 9 || !inside;
                }).map((text) => text.textContent);
            })"""
        )
        assert not wrong, f"text that is cut or too small: {wrong[:3]}"
        assert opened.locator(".chart").count() == 1 + 8 + 4 + 8
