"""The page holds every line and operation, and the values of the steps."""

import re

import html_check
import numpy as np
import pytest

from mtl.config import Config
from mtl.explain import diagram, lines, page, steps
from mtl.reports.page import png

STEPS = 3


def source(first_step):
    rng = np.random.default_rng(first_step)
    depths = {"length": 6, **{f"digit{k}": 10 for k in range(1, 6)}}
    while True:
        labels = {name: rng.integers(0, n, 2).astype(np.int32) for name, n in depths.items()}
        yield rng.integers(0, 256, (2, 54, 54, 3)).astype(np.uint8), labels


class Page:
    """The page of a graph with steps, and what it was made from."""

    def __init__(self):
        self.explained = lines.explain(Config(bottom="mlp", label_smoothing=0.0))
        self.ops = list(self.explained.ops.values())
        self.diagram = diagram.of(self.explained)
        self.steps = list(steps.walk(self.explained, self.diagram, source, STEPS))
        self.text = page.render(self.explained, self.diagram, self.steps)
        self.tree = html_check.tree(self.text)
        self.data = html_check.data(self.tree)

    def lines_of(self, op):
        """Return the ids of the lines of an operation."""
        return [page.line_id(line) for line in self.explained.all_lines_of(op)]


@pytest.fixture(scope="module")
def written():
    return Page()


def test_each_operation_has_a_cell(written):
    buttons = [node.attributes for node in written.tree.all("button")]
    cells = [node for node in buttons if node.get("id", "").startswith("op-")]
    cells.sort(key=lambda cell: int(cell["id"].removeprefix("op-")))
    labels = [f"{op.kind} {op.type} {op.name}" for op in written.ops]
    assert [cell["aria-label"] for cell in cells] == labels


def test_each_line_that_made_an_operation_is_a_button_with_a_count(written):
    buttons = written.tree.all("button", class_="line")
    counts = {node.attributes["id"]: node.one("span", class_="count").text for node in buttons}
    expected = {}
    for op in written.ops:
        for line in written.lines_of(op):
            expected[line] = expected.get(line, 0) + 1
    assert counts == {line: str(count) for line, count in expected.items()}


def test_the_source_is_complete(written):
    files = {file for op in written.ops for file, _ in written.explained.all_lines_of(op)}
    assert {"answer.py", "train.py", "objectives/answer.py"} <= files <= lines.SOURCES.keys()
    details = written.tree.all("details")
    assert {node.attributes["id"] for node in details} == {f"file-{name}" for name in files}
    for name in files:
        codes = written.tree.one("details", id=f"file-{name}").all("code")
        shown = [node.children[0] if node.children else "" for node in codes]
        expected = [line.rstrip() for line in lines.read_source(name)]
        assert [line.rstrip() for line in shown] == expected


def test_data_lists_the_lines_of_each_operation(written):
    assert [op["lines"] for op in written.data["ops"]] == list(map(written.lines_of, written.ops))
    answers = [op for op in written.data["ops"] if "line-answer.py-31" in op["lines"]]
    assert {op["kind"] for op in answers} == {"forward", "gradient"}


def test_data_describes_each_operation(written):
    names = [op.name for op in written.ops]
    for shown, op in zip(written.data["ops"], written.ops, strict=True):
        assert (shown["name"], shown["type"], shown["kind"]) == (op.name, op.type, op.kind)
        assert tuple(shown["outputs"]) == op.outputs
        assert [names[index] for index in shown["inputs"]] == list(op.inputs)
        assert [names[index] for index in shown["waits"]] == list(op.waits_for)
        assert (names[shown["of"]] if shown["of"] >= 0 else "") == op.of


def test_data_names_the_adds_and_the_cost(written):
    names = [op.name for op in written.ops]
    assert [names[index] for index in written.data["adds"]] == list(written.diagram.adds)
    assert names[written.data["cost"]] == written.explained.named.cost.op.name


def test_values_of_steps_are_exact_float32(written):
    names = [op.name for op in written.ops]
    for step, shown in zip(written.steps, written.data["steps"], strict=True):
        values = {names[int(index)]: np.float32(v) for index, v in shown["values"].items()}
        assert values == {name: np.float32(value) for name, value in step["values"].items()}
        for name, task in step["tasks"].items():
            own = shown["tasks"][name]
            for field in ("logits", "softmax", "weight", "gradient_norm"):
                assert (np.float32(own[field]) == np.float32(task[field])).all()
            assert names[own["mean"]] == task["mean"]
            assert own["label"] == task["label"]


def test_steps_have_an_image_and_its_number(written):
    for step, shown in zip(written.steps, written.data["steps"], strict=True):
        assert (shown["true"], shown["predicted"]) == (step["true"], step["predicted"])
        assert shown["image"] == png(step["image"])


def test_a_page_without_steps_has_no_part_for_them(small):
    command = "mtl explain '--data_dir=<a> & b'"
    tree = html_check.tree(page.render(small, diagram.of(small), command=command))
    assert not tree.all("section", id="steps")
    assert html_check.data(tree)["steps"] == []
    assert tree.one("h1").text == "The graph of small, log_sum"
    assert tree.one("pre").text == command


def test_a_page_with_50_steps_is_under_3_mb(written):
    step = len(str(written.data["steps"][0]))
    assert len(written.text) + (50 - STEPS) * step < 3e6


def test_the_script_uses_elements_that_exist(written):
    used = set(re.findall(r'byId\("([a-z]+)"\)', written.text))
    assert {"at", "selection", "summary", "losses", "predictions"} <= used
    ids = {node.attributes["id"] for node in written.tree.all() if "id" in node.attributes}
    assert used <= ids
