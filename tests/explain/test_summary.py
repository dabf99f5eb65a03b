"""The summary fits on one screen, shows the lines of the cost, and counts every operation once."""

import collections
import re

import pytest

from mtl.explain import diagram, lines, summary

pytestmark = pytest.mark.slow


def shown(explained):
    """Return the summary of an explained graph."""
    return summary.render(explained, diagram.of(explained))


def counts(row):
    """Return the counts at the start of a row, forward, gradient and update; None without any."""
    columns = [row[:8].strip(), row[8:18].strip(), row[18:26].strip()]
    if not any(columns) or not all(each.isdigit() for each in columns if each):
        return None
    return [int(each or 0) for each in columns]


def test_summary_fits_on_one_screen(any_graph):
    rows = shown(any_graph).splitlines()
    assert len(rows) <= (
        40 if any_graph.config.absent == "x" and any_graph.config.is_numbers else 55
    )
    assert max(map(len, rows)) <= 110


def test_counts_add_up_to_all_operations(any_graph):
    *rows, total = [row for row in shown(any_graph).splitlines() if counts(row)]
    sums = [sum(column) for column in zip(*map(counts, rows))]
    kinds = collections.Counter(op.kind for op in any_graph.ops.values())
    assert sums == counts(total) == [kinds[kind] for kind in lines.KINDS]
    assert total.endswith(f"= {len(any_graph.ops):,}, the whole graph")


def test_lines_of_the_answer_come_first_and_in_order(small):
    rows = [row[28:] for row in shown(small).splitlines() if counts(row)][:11]
    tasks = ("length", "digit1", "digit2", "digit3", "digit4", "digit5")
    losses = [f"loss_{task} = tf.log(tf.clip_by_value(tf.reduce_mean(" for task in tasks]
    adds = [f"tf.add(..., loss_digit{k})" for k in (2, 3, 4)]
    last = "return tf.add(..., loss_digit5)"
    expected = [*losses, "tf.add(loss_length, loss_digit1),", *adds, last]
    for row, source in zip(rows, expected, strict=True):
        number, text = re.fullmatch(r"answer\.py:(\d+)  (.*)", row).groups()
        assert text.startswith(source)
        line = lines.read_source("answer.py")[int(number) - 1]
        assert line.strip().startswith(source.split("(..., ")[0])


def test_a_loss_lists_its_operations_and_gradients_once_for_all_six(small):
    text = " ".join(shown(small).split())
    forward = "forward SoftmaxCrossEntropyWithLogits, Mean, Minimum, Maximum, Log; 34 others"
    gradient = (
        "gradient of Log: Reciprocal, Mul; of Maximum: GreaterEqual, 2 SelectV2; of Minimum: "
        "LessEqual, 2 SelectV2; of Mean: Tile, Cast, RealDiv; of SoftmaxCrossEntropyWithLogits: "
        "2 Mul, LogSoftmax, Neg; 35 others"
    )
    assert text.count(f"{forward} {gradient}") == 1
    (row,) = [row for row in shown(small).splitlines() if "loss_digit3 = " in row]
    line = re.search(r"answer\.py:(\d+)", row)[1]
    made = [op for op in small.ops.values() if small.stack_of(op)[-1] == ("answer.py", int(line))]
    kinds = collections.Counter(op.kind for op in made)
    assert counts(row) == [kinds[kind] for kind in lines.KINDS] == [5 + 34, 15 + 35, 0]


def test_another_objective_shows_its_own_lines(graph_of):
    text = shown(graph_of("paper"))
    assert "answer.py" not in text
    own = [row[28:] for row in text.splitlines() if counts(row) and ".py:" in row]
    files = ["kinds/classes.py", "losses.py", "objectives/linear.py"]
    assert [row.split(":")[0] for row in own] == files
    assert "forward   6 SoftmaxCrossEntropyWithLogits" in text
    assert "forward   6 Mean; 6 others" in text
    assert "forward   5 AddV2" in text


@pytest.mark.parametrize(
    "row",
    [
        "shared bottom: conv1 to dense1, 5 layers",
        "tops: length, digit1, digit2, digit3, digit4, digit5",
        "Adam: shared by all variables",
    ],
)
def test_each_other_part_has_one_row(small, row):
    rows = [each for each in shown(small).splitlines() if each.endswith(row)]
    assert len(rows) == 1 and counts(rows[0])


def test_last_rows_name_the_full_list_and_the_page(small):
    *_, first, second = shown(small).splitlines()
    assert "--all" in first
    assert "--format=html" in second
