"""The text: each operation once, under its line, and counts that add up to the whole graph."""

import re

from mtl.explain import text


def test_counts_add_up_and_every_operation_is_listed_once(any_graph):
    written = text.render(any_graph)
    first, second = written.split("2. Operations")
    rows = re.findall(r"(?m)^([ \d]{8})([ \d]{10})([ \d]{8})  +[a-z_]+\.py:\d+  ", first)
    sums = [sum(int(row[column]) for row in rows if row[column].strip()) for column in range(3)]
    assert sum(sums) == len(any_graph.ops) and rows
    assert re.search(r"(?m)^ *(\d+) *(\d+) *(\d+)  = (\d+), all there are$", first).groups() == (
        *map(str, sums),
        str(sum(sums)),
    )
    assert f"{len(any_graph.ops):,} operations" in first
    listed = re.findall(r"(?m)^ +(?:forward|gradient|update) +\S+  (\S+)", second)
    assert sorted(listed) == sorted(any_graph.ops)


def test_the_answers_lines_stand_in_order_with_what_they_made_and_what_that_brought_in(small):
    operations = text.render(small).split("2. Operations")[1]
    order = [
        operations.index(f"loss_{task} = ")
        for task in ("length", "digit1", "digit2", "digit3", "digit4", "digit5")
    ]
    sums = [
        "tf.add(loss_length, loss_digit1)",
        *(f"tf.add(..., loss_digit{k})" for k in (2, 3, 4, 5)),
    ]
    order += [
        operations.index(each)
        for each in [*sums, "AdamOptimizer(", "minimize = adam.apply_gradients"]
    ]
    assert order == sorted(order)
    length = operations[order[0] : order[1]]
    places = [
        length.index(each)
        for each in (
            "forward  Mean  Mean_1  float32 []",
            "forward  Log  Log  float32 []",
            "gradient Reciprocal",
        )
    ]
    assert places == sorted(places)
    assert (
        "update   ResourceApplyAdam  Adam/update_digit5/b/ResourceApplyAdam"
        in operations[order[-1] :]
    )


def test_no_line_is_too_long_to_be_read(small):
    assert max(map(len, text.render(small).splitlines())) < 200
