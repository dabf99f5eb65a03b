"""The page without a browser: well-formed, whole in itself, every line and operation there, its numbers those of the steps."""

import html_check
import numpy as np
import pytest

from mtl.explain import diagram, lines, page, steps

STEPS = 3


def source(first_step):
    rng = np.random.default_rng(first_step)
    while True:
        depths = {"length": 6, **{f"digit{k}": 10 for k in range(1, 6)}}
        labels = {
            name: rng.integers(0, depth, 2).astype(np.int32) for name, depth in depths.items()
        }
        yield rng.integers(0, 256, (2, 54, 54, 3)).astype(np.uint8), labels


@pytest.fixture(scope="module")
def written():
    """Return (explained, diagram, steps, page as text, page as a tree) of a graph with steps."""
    from mtl.config import Config

    explained = lines.explain(Config(bottom="mlp", label_smoothing=0.0))
    found = diagram.of(explained)
    walk = list(steps.walk(explained, found, source, STEPS))
    text = page.render(explained, found, walk)
    return explained, found, walk, text, html_check.tree(text)


def test_every_operation_and_every_line_that_made_one_can_be_chosen(written):
    explained, _, _, _, tree = written
    cells = [node for node in tree.all("button") if node.attributes.get("id", "").startswith("op-")]
    assert [
        cell.attributes["aria-label"]
        for cell in sorted(cells, key=lambda cell: int(cell.attributes["id"][3:]))
    ] == [f"{op.kind} {op.type} {op.name}" for op in explained.ops.values()]
    buttons = {node.attributes["id"]: node for node in tree.all("button", class_="line")}
    assert buttons.keys() == {
        page.line_id(line) for op in explained.ops.values() for line in explained.all_lines_of(op)
    }
    for name, button in buttons.items():
        count = sum(
            name in map(page.line_id, explained.all_lines_of(op)) for op in explained.ops.values()
        )
        assert button.one("span", class_="count").text == str(count)


def test_the_source_is_there_to_the_letter(written):
    *_, tree = written
    for name in lines.SOURCES:
        shown = [
            node.children[0] if node.children else ""
            for node in tree.one("details", id=f"file-{name}").all("code")
        ]
        assert [each.rstrip() for each in shown] == [
            each.rstrip() for each in lines.read_source(name)
        ]


def test_a_line_lights_up_what_it_made_and_the_gradients_of_that(written):
    explained, *_, tree = written
    ops = html_check.data(tree)["ops"]
    of_answer = [op for op in ops if "line-answer.py-31" in op["lines"]]
    assert {op["kind"] for op in of_answer} == {"forward", "gradient"}
    assert [op["name"] for op in of_answer] == [
        op.name
        for op in explained.ops.values()
        if ("answer.py", 31) in (explained.ops[op.of] if op.of else op).stack
    ]


def test_an_operation_tells_its_inputs_and_outputs(written):
    explained, *_, tree = written
    ops = html_check.data(tree)["ops"]
    for told, op in zip(ops, explained.ops.values(), strict=True):
        assert (told["name"], told["type"], told["kind"], tuple(told["outputs"])) == (
            op.name,
            op.type,
            op.kind,
            op.outputs,
        )
        assert [ops[index]["name"] for index in told["inputs"]] == list(op.inputs)
        assert [ops[index]["name"] for index in told["waits"]] == list(op.waits_for)
        assert (ops[told["of"]]["name"] if told["of"] >= 0 else "") == op.of


def test_the_numbers_are_those_of_the_steps_to_the_last_bit_of_a_float32(written):
    _, found, walk, _, tree = written
    told = html_check.data(tree)
    names = [op["name"] for op in told["ops"]]
    assert len(told["steps"]) == STEPS
    for step, page_step in zip(walk, told["steps"]):
        assert {
            names[int(index)]: np.float32(value) for index, value in page_step["values"].items()
        } == {name: np.float32(value) for name, value in step["values"].items()}
        for name, task in step["tasks"].items():
            shown = page_step["tasks"][name]
            for field in ("logits", "softmax", "weight", "pull"):
                assert (np.float32(shown[field]) == np.float32(task[field])).all()
            assert names[shown["mean"]] == task["mean"] and shown["label"] == task["label"]
        assert (page_step["true"], page_step["read"]) == (step["true"], step["read"])
        assert page_step["image"] == page.page.png(step["image"])
    assert [names[index] for index in told["adds"]] == list(found.adds)


def test_without_steps_there_is_no_part_for_them(small):
    tree = html_check.tree(
        page.render(small, diagram.of(small), command="mtl explain '--data_dir=<a> & b'")
    )
    assert not tree.all("section", id="steps") and html_check.data(tree)["steps"] == []
    assert (
        tree.one("h1").text == "The graph of small, log_sum"
        and tree.one("pre").text == "mtl explain '--data_dir=<a> & b'"
    )


def test_the_page_is_small(written):
    *_, text, _ = written
    with_fifty = len(text) + (50 - STEPS) * len(str(html_check.data(written[-1])["steps"][0]))
    assert with_fifty < 3e6


def test_the_script_looks_up_nothing_that_is_not_there(written):
    import re

    *_, text, tree = written
    asked = set(re.findall(r'\$\("([a-z]+)"\)', text))
    assert {"at", "chosen", "told", "losses", "reads"} <= asked
    assert asked <= {node.attributes["id"] for node in tree.all() if "id" in node.attributes}
