"""The text lists each operation once, under its line, and its counts add up to the graph."""

import re

from mtl.explain import text


def test_counts_add_up_and_each_operation_is_listed_once(any_graph):
    rendered = text.render(any_graph)
    first, second = rendered.split("2. Operations")
    rows = re.findall(r"(?m)^([ \d]{8})([ \d]{10})([ \d]{8})  +[a-z_/]+\.py:\d+  ", first)
    sums = [sum(int(row[column]) for row in rows if row[column].strip()) for column in range(3)]
    assert sum(sums) == len(any_graph.ops)
    total = re.search(r"(?m)^ *(\d+) *(\d+) *(\d+)  = ([\d,]+), the whole graph$", first)
    assert total.groups() == (*map(str, sums), f"{sum(sums):,}")
    assert f"{len(any_graph.ops):,} operations" in first
    listed = re.findall(r"(?m)^ +(?:forward|gradient|update) +\S+  (\S+)", second)
    assert sorted(listed) == sorted(any_graph.ops)


def test_lines_of_the_answer_are_in_order(small):
    operations = text.render(small).split("2. Operations")[1]
    tasks = ("length", "digit1", "digit2", "digit3", "digit4", "digit5")
    expected = [f"loss_{task} = " for task in tasks]
    expected += ["tf.add(loss_length, loss_digit1)"]
    expected += [f"tf.add(..., loss_digit{k})" for k in (2, 3, 4, 5)]
    expected += ["return optimizer.apply_gradients"]
    assert _positions(operations, expected) == sorted(_positions(operations, expected))
    last = operations[operations.index(expected[-1]) :]
    assert "update   ResourceApplyAdam  Adam/update_digit5/b/ResourceApplyAdam" in last


def test_a_line_lists_its_operations_and_their_gradients(small):
    operations = text.render(small).split("2. Operations")[1]
    start, end = _positions(operations, ["loss_length = ", "loss_digit1 = "])
    expected = ["forward  Mean  Mean_1  float32 []", "forward  Log  Log  float32 []"]
    expected += ["gradient Reciprocal"]
    found = _positions(operations[start:end], expected)
    assert found == sorted(found)


def test_no_line_is_longer_than_200_characters(small):
    assert max(map(len, text.render(small).splitlines())) < 200


def _positions(rendered, parts):
    """Return the position of each part in a text; fail if a part is missing."""
    return [rendered.index(part) for part in parts]
