"""The page holds every line and operation, and the values of the steps."""

import pathlib
import re

import html_check
import numpy as np
import pytest
from contrast import contrast

from mtl.config import Config
from mtl.explain import diagram, lines, page, steps
from mtl.inputs import Inputs
from mtl.reports.page import STYLE, png

pytestmark = pytest.mark.slow

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
    assert {"answer.py", "graph.py", "objectives/answer.py"} <= files <= lines.SOURCES.keys()
    details = written.tree.all("details")
    assert {node.attributes["id"] for node in details} == {f"file-{name}" for name in files}
    for name in files:
        codes = written.tree.one("details", id=f"file-{name}").all("code")
        shown = ["".join(filter(_is_text, node.children)) for node in codes]
        expected = [line.rstrip() for line in lines.read_source(name)]
        assert [line.rstrip() for line in shown] == expected


def _is_text(child):
    return isinstance(child, str)


def number_of(text):
    """Return the number of the only line of answer.py that contains a text."""
    (number,) = [k for k, line in enumerate(lines.read_source("answer.py"), 1) if text in line]
    return number


def test_code_wraps_between_identifiers(written):
    number = number_of("loss_digit3 =")
    code = written.tree.one("details", id="file-answer.py").all("code")[number - 1]
    parts = [part for child in code.children if _is_text(child) for part in child.split()]
    identifiers = [re.findall(r"\b[a-z_]\w*", part) for part in parts]
    assert max(map(len, identifiers)) == 1, identifiers
    whole = re.findall(r"\b[a-z_]\w*", lines.read_source("answer.py")[number - 1])
    assert sum(identifiers, []) == whole
    # A line of a phone's page has room for 38 characters.
    assert max(map(len, parts)) <= 38, parts


def test_data_lists_the_lines_of_each_operation(written):
    assert [op["lines"] for op in written.data["ops"]] == list(map(written.lines_of, written.ops))
    line = page.line_id(("answer.py", number_of("loss_digit1 =")))
    answers = [op for op in written.data["ops"] if line in op["lines"]]
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


@pytest.mark.parametrize("unseen", [{"correct": 3, "of": 7}, None, "missing"])
def test_steps_have_the_accuracy_on_unseen_images_if_it_is_known(written, unseen):
    step = {name: value for name, value in written.steps[0].items() if name != "unseen"}
    if unseen != "missing":
        step["unseen"] = unseen
    text = page.render(written.explained, written.diagram, [step])
    (shown,) = html_check.data(html_check.tree(text))["steps"]
    assert shown["unseen"] == (None if unseen == "missing" else unseen)


def test_steps_are_counted_from_1(written):
    slider = written.tree.one("input", id="at").attributes
    assert (slider["min"], slider["value"]) == ("1", "1")
    script = "".join(written.tree.all("script")[-1].children)
    assert 'byId("at").max = steps.length;' in script
    assert "`${now + 1} of ${steps.length}`" in script


@pytest.mark.parametrize("part", [0, 1], ids=["light", "dark"])
def test_colours_have_the_contrast_that_wcag_requires(part):
    base, own = (
        re.split(r"@media screen and \(prefers-color-scheme: dark\)", css)[part]
        for css in (pathlib.Path(STYLE).read_text(encoding="utf-8"), page._own("page.css"))
    )
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})\b", base + own))
    assert contrast(colours["lit"], colours["litink"]) >= 4.5
    for name in ("f", "g", "u", "ring"):
        assert contrast(colours[name], colours["card"]) >= 4.5, name
    for name in ("c0", "c1", "c2", "c3", "c4", "c5"):  # also of text
        assert contrast(colours[name], colours["paper"]) >= 4.5, name


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
    assert {"at", "selection", "summary", "losses", "predictions", "unseen"} <= used
    ids = {node.attributes["id"] for node in written.tree.all() if "id" in node.attributes}
    assert used <= ids


def own_page(inputs):
    """Return the page of one step of two tasks, and its data."""
    config = Config(tasks="height:real,odd:2", dataset="npz", bottom="mlp")
    explained = lines.explain(config, inputs=inputs)

    def source(first_step):
        labels = {"height": np.float32([np.nan, 1]), "odd": np.int32([1, -1])}
        yield np.ones((2, *inputs.shape), inputs.dtype), labels

    found = diagram.of(explained)
    written = list(steps.walk(explained, found, source, 1))
    tree = html_check.tree(page.render(explained, found, written))
    return tree, html_check.data(tree)


@pytest.mark.parametrize("shape, dtype", [((9, 7, 1), "uint8"), ((9, 7, 3), "float32")])
def test_own_tasks_of_images(shape, dtype):
    tree, data = own_page(Inputs(shape, 0, dtype))
    assert (data["numbers"], data["share"], data["loss"]) == (False, False, "loss")
    (step,) = data["steps"]
    image = np.full((9, 7, 3), 1 if dtype == "uint8" else 255, np.uint8)
    assert step["image"] == png(image)
    height, odd = step["tasks"]["height"], step["tasks"]["odd"]
    assert (height["label"], height["softmax"], odd["label"]) == (None, None, 1)
    assert (height["written"], odd["written"]) == ("", "1")
    assert "Score on unseen examples" in tree.one("section", id="steps").text
    assert "number" not in tree.one("section", id="steps").text


def test_own_tasks_of_features():
    tree, data = own_page(Inputs((4,), 0, "float32"))
    assert data["steps"][0]["image"] is None
    assert "features" in [node.text for node in tree.all("div", class_="block")]
