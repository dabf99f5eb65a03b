"""The page of a report: that it is whole, says the numbers of the tables, and shows whatever a name holds as text."""

import csv
import io
import math
import re

import numpy as np
import pytest
from html_check import tree
from made_reports import TRUE, evaluations, examples_of, made, outputs

from mtl.reports import page, report, report_page

HOSTILE = '"><img src=x onerror=alert(1)>.png'
PICTURE = page.png(np.zeros((2, 2, 3), np.uint8))
PLOTS = dict.fromkeys(report.PLOTS, PICTURE)
TRAINED, HERE = {"numpy": "1", "abacus": "2"}, {"numpy": "2", "python": "3"}
RUN = report_page.Run(
    "runs/mine", "--bottom=small\n--data_dir=a b\n", TRAINED, HERE, "mtl evaluate x", "mtl train y"
)


def shown(got=None, run=RUN, plots=PLOTS):
    got = got or made(evaluations=evaluations())
    return tree(
        report_page.html(
            got,
            run,
            plots,
            [PICTURE] * min(len(got.mistakes), report.MISTAKES),
            ["mistakes.csv", "metrics.json"],
        )
    )


def section(got, name):
    return got.one("section", id=name)


def same(cells, row):
    """Tell whether cells of the page say what a row of a CSV file says, to the digits that are shown."""

    def says(cell, value):
        number = re.fullmatch(r"(-?[\d,]+)(\.\d+)?(%?)", cell)
        if not number or not value:
            return cell == (value or page.NOTHING)
        one = 0.01 if number[3] else 1.0
        last = 10.0 ** -(len(number[2] or ".") - 1) * one
        return abs(float(cell.replace(",", "").rstrip("%")) * one - float(value)) <= last / 2 + 1e-9

    return all(says(cell, value) for cell, value in zip(cells, row, strict=True))


def csv_rows(rows):
    return list(csv.reader(io.StringIO(report.table(rows))))[1:]


def test_every_table_says_what_its_csv_says():
    got = made(evaluations=evaluations())
    of_page = shown(got)
    tables = {table.one("caption").text: table.rows()[1:] for table in of_page.all("table")}
    assert len(tables) == len(of_page.all("table")) == 1 + 1 + 1 + 7 + 2 + 1
    for name, rows in got.confusion.items():
        cells, (caption,) = (
            csv_rows(rows),
            [each for each in tables if each.startswith(name.replace("_", " ") + ":")],
        )
        assert tables[caption] == cells
        assert caption.endswith(
            f": {sum(int(row[i + 1]) for i, row in enumerate(cells))} of 12 right"
        )
    lengths = next(rows for caption, rows in tables.items() if "by true length" in caption)
    assert all(map(same, lengths, csv_rows(got.lengths))) and len(lengths) == len(got.lengths)
    covered, points = (
        next(rows for caption, rows in tables.items() if "coverage" in caption),
        csv_rows(got.coverage),
    )
    assert covered and all(any(same(row, point) for point in points) for row in covered)
    assert same(covered[-1], points[-1]) and len({tuple(row) for row in covered}) == len(covered)
    accuracies = next(
        rows for caption, rows in tables.items() if caption.startswith("Validation accuracy")
    )
    entropies = next(
        rows for caption, rows in tables.items() if caption.startswith("Validation cost")
    )
    columns = list(got.curves[0])
    for i, row in enumerate(csv_rows(got.curves)):
        held = dict(zip(columns, row))
        names = [name.removeprefix("accuracy_") for name in columns if name.startswith("accuracy_")]
        assert same(
            accuracies[i],
            [
                held["step"],
                held["sequence_accuracy"],
                *(held[f"accuracy_{name}"] for name in names),
            ],
        )
        assert same(
            entropies[i],
            [held["step"], held["cost"], *(held[f"cross_entropy_{name}"] for name in names)],
        )
    per_task = next(rows for caption, rows in tables.items() if "each task" in caption)
    assert [row[0] for row in per_task] == list(got.metrics["task_accuracy"])
    assert all(same(row[1:2], [got.metrics["task_accuracy"][row[0]]]) for row in per_task)


def test_a_cell_of_a_confusion_is_marked_by_its_share_of_the_true_class():
    got = made()
    table = section(shown(got), "confusion").all("table")[0]
    for y, row in enumerate(table.one("tbody").all("tr")):
        counts = [got.confusion["length"][y][name] for name in ("0", "1", "2", "3", "4", "5", "X")]
        for x, (cell, count) in enumerate(zip(row.all("td"), counts, strict=True)):
            share = f"s{math.ceil(10 * count / sum(counts))}" if count else "none"
            assert cell.attributes["class"].split() == ["number", *["hit"] * (x == y), share]


def test_the_result_stands_on_top():
    got = shown()
    head = got.one("header").text
    assert got.one("h1").text == "runs/mine on npz, validation, step 30"
    for part in (
        "50.00%",
        "6 of 12 numbers read right",
        "95% interval 25.38% to 74.62%",
        "data set npz",
        "examples 12",
    ):
        assert part in head, part
    links = [link.attributes["href"] for link in got.one("nav").all("a")]
    assert links == [f"#{node.attributes['id']}" for node in got.all("section")] and len(links) == 8


def test_a_mistake_is_a_picture_and_words():
    items = section(shown(), "mistakes").all("li")
    assert [item.text for item in items][:2] == [
        "true 1 read none confidence 0.950 dir/8.png", "true 7 read 1 confidence 0.902 dir/2.png",
    ]  # fmt: skip
    assert (
        items[0].one("img").attributes["alt"]
        == "Picture dir/8.png: true 1, read none, confidence 0.950"
    )
    assert "true 31415 read X" in items[-1].text


def test_more_mistakes_than_are_shown_are_told_of():
    got = made(outputs(["1"] * 120, [0.5] * 120), examples_of(["2"] * 120))
    part = section(shown(got), "mistakes")
    assert len(part.all("img")) == 96 and "The 96 surest of 120" in part.text


def test_no_mistakes_and_no_examples():
    assert (
        "no mistakes"
        in section(shown(made(outputs([n if len(n) < 6 else None for n in TRUE]))), "mistakes").text
    )
    empty = shown(made(outputs([], []), examples_of([])))
    assert (
        "no examples" in empty.one("header").text
        and "no examples" in section(empty, "mistakes").text
    )
    assert "nan" not in empty.text.lower() and "None" not in empty.text


def test_a_broken_network_has_a_page():
    got = made({name: np.full_like(rows, np.nan) for name, rows in outputs().items()})
    text = shown(got)
    assert "confidence unknown" in section(text, "mistakes").text and "nan" not in text.text.lower()


def test_without_plots_the_page_says_how_they_are_had():
    got = shown(plots={})
    assert len(got.all("table")) == 13 and len(got.all("img")) == 6
    for name in ("lengths", "confidence", "confusion", "training"):
        assert section(got, name).text.count("pip install 'mtl[plot]'") == 1


def test_a_run_without_evaluations_says_so():
    part = section(shown(made()), "training")
    assert part.all("table") == part.all("img") == [] and "metrics.jsonl" in part.text


@pytest.mark.parametrize("n, shown_of", [(40, 40), (41, 21), (1000, 40)])
def test_long_curves_are_thinned_and_end_with_the_last(n, shown_of):
    part = section(shown(made(evaluations=evaluations(range(1, n + 1)))), "training")
    for table in part.all("table"):
        assert len(table.rows()) == 1 + shown_of and table.rows()[-1][0] == f"{n:,}"
    assert ("curves.csv" in part.text) == (n > 40)


def test_flags_environment_and_commands():
    got = shown(run=RUN._replace(troubles=["The run directory holds no x."]))
    part = section(got, "run")
    assert part.one("pre").text == "--bottom=small --data_dir=a b" and "holds no x." in part.text
    dash = page.NOTHING
    assert part.one("table").rows()[1:] == [
        ["numpy", "1", "2", "no"],
        ["python", dash, "3", dash],
        ["abacus", "2", dash, dash],
    ]
    assert [node.text for node in section(got, "again").all("pre")] == [
        "mtl evaluate x",
        "mtl train y",
    ]
    assert [node.attributes["href"] for node in section(got, "again").all("a")] == [
        "mistakes.csv",
        "metrics.json",
    ]


def test_of_an_unknown_run_that_is_said():
    got = shown(run=report_page.UNKNOWN)
    assert (
        section(got, "run").text.count("Unknown.") == 2
        and got.one("h1").text == "npz, validation, step 30"
    )


def test_names_from_outside_are_text_alone():
    hostile = HOSTILE + "caf\udce9"
    examples = examples_of()
    examples.names[:] = [hostile] * 12
    versions = {hostile: hostile}
    run = report_page.Run(
        hostile, f"--data_dir={hostile}\n", versions, versions, hostile, hostile, [hostile]
    )
    got = made(examples=examples)
    got.metrics["dataset"] = got.metrics["split"] = hostile
    of_page = shown(got, run)  # the reader refuses src=x and onerror
    assert (
        len(of_page.all("img")) == 3 + 6
        and of_page.text.count('"><img src=x onerror=alert(1)>.pngcaf\\udce9') > 15
    )


def test_the_page_has_a_bound():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    examples = examples_of(["2"] * 200)
    examples.names[:] = ["&" * 4000] * 200
    examples.numbers[:] = ["2" * 4000] * 200
    got = made(outputs(["1"] * 200, [0.5] * 200), examples, evaluations(range(5000)))
    pictures = [page.png(noise)] * report.MISTAKES
    assert len(report_page.html(got, RUN._replace(name="&" * 4000), {}, pictures, [])) < 2_200_000
