"""mtl.reports.report_page: the header, and text from outside."""

import numpy as np
from made_reports import (
    HOSTILE,
    RUN,
    evaluations,
    examples_of,
    made,
    outputs,
    own,
    own_evaluations,
    own_examples,
    page_of,
)

from mtl.reports import page, report_page, tables


def test_the_header_shows_the_result_and_links_to_all_sections():
    document = page_of(made(evaluations=evaluations()))
    assert document.one("h1").text == "runs/mine on npz, validation, step 30"
    header = document.one("header").text
    assert "50.00%" in header and "6 of 12 numbers" in header
    assert "95% interval 25.38% to 74.62%" in header
    assert "dataset npz" in header and "examples 12" in header and "wrong numbers 6" in header
    links = [link.attributes["href"] for link in document.one("nav").all("a")]
    assert links == [f"#{each.attributes['id']}" for each in document.all("section")]
    assert len(links) == 9


def test_no_examples():
    document = page_of(made(outputs([], []), examples_of([])))
    assert "no examples" in document.one("header").text
    assert "no examples" in document.one("section", id="mistakes").text
    assert "nan" not in document.text.lower() and "None" not in document.text


def test_a_broken_network_has_a_page():
    rows = made({name: np.full_like(values, np.nan) for name, values in outputs().items()})
    document = page_of(rows)
    assert "confidence unknown" in document.one("section", id="mistakes").text
    assert "nan" not in document.text.lower()


def test_an_unknown_run():
    document = page_of(made(), run=report_page.UNKNOWN)
    assert document.one("section", id="run").text.count("Unknown.") == 2
    assert document.one("h1").text == "npz, validation, step 30"


def test_hostile_names_are_only_text():
    hostile = HOSTILE + "caf\udce9"
    examples = examples_of()
    examples.names[:] = [hostile] * 12
    versions = {hostile: hostile}
    run = report_page.Run(
        name=hostile,
        flags=f"--data_dir={hostile}\n",
        trained=versions,
        here=versions,
        evaluate=hostile,
        train=hostile,
        troubles=[hostile],
    )
    rows = made(examples=examples)
    rows.metrics["dataset"] = rows.metrics["split"] = hostile
    document = page_of(rows, run=run)  # html_check rejects src=x and onerror
    assert len(document.all("img")) == 4 + 6
    assert document.text.count(HOSTILE + "caf\\udce9") > 15


def test_the_size_of_the_page_is_bounded():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    examples = examples_of(["2"] * 200)
    examples.names[:] = ["&" * 4000] * 200
    examples.numbers[:] = ["2" * 4000] * 200
    rows = made(outputs(["1"] * 200, [0.5] * 200), examples, evaluations(range(5000)))
    mistakes = [page.png(noise)] * tables.SHOWN
    run = RUN._replace(name="&" * 4000)
    assert len(report_page.html(rows, run, {}, mistakes, [])) < 2_200_000


def test_own_tasks_have_only_the_sections_that_apply():
    document = page_of(own(evaluations=own_evaluations()))
    links = [link.text for link in document.one("nav").all("a")]
    assert links == [
        "Tasks",
        "Errors",
        "Worst predictions",
        "Training",
        "Flags and environment",
        "Reproduce",
    ]
    for word in ("coverage", "calibration", "character", "true length"):
        assert word not in document.text


def test_hostile_names_of_own_examples_are_only_text():
    examples = own_examples()
    examples.names[:] = [HOSTILE] * 5
    for images in (True, False):
        document = page_of(own(examples=examples), images=images)
        assert document.text.count(HOSTILE) == 7
