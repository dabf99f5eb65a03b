"""Tables of numbers in CSV files."""

import numpy as np
import pytest

from mtl import tasks
from mtl.data import table
from mtl.errors import DataError, NoExamplesError
from mtl.inputs import Inputs
from tests.data.test_examples import held_out_numbers

TASKS = tasks.parse("kind:3,price:real")
HEADER = "width,kind,height, price ,depth"
ROWS = ["1.5,2,-3,10.5,1e3", "2,,4,,5", " 0 ,0,1,7,+2"]


def write(tmp_path, rows=ROWS, header=HEADER, split="test"):
    path = tmp_path / f"{split}.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def load(tmp_path, split="test", **options):
    return table.load(str(tmp_path), split, **{"tasks": TASKS, **options})


def test_named_columns_are_labels_and_all_others_features(tmp_path):
    write(tmp_path)
    got = load(tmp_path)
    assert list(got.columns) == ["width", "height", "depth"]
    assert got.inputs.dtype == np.float32
    np.testing.assert_array_equal(got.inputs, [[1.5, -3, 1000], [2, 4, 5], [0, 1, 2]])
    assert got.labels["kind"].tolist() == [2, -1, 0]
    np.testing.assert_array_equal(got.labels["price"], np.float32([10.5, np.nan, 7]))
    assert got.names == ["0", "1", "2"]
    assert load(tmp_path, count=2).names == ["0", "1"]


def test_columns_are_matched_by_name_to_those_of_a_run(tmp_path):
    write(tmp_path)
    inputs = Inputs((3,), 0, "float32", ("depth", "width", "height"))
    got = load(tmp_path, inputs=inputs)
    np.testing.assert_array_equal(got.inputs, [[1000, 1.5, -3], [5, 2, 4], [2, 0, 1]])
    assert list(got.columns) == ["depth", "width", "height"]


@pytest.mark.parametrize(
    "inputs, reason",
    [
        (
            Inputs((3,), 0, "float32", ("depth", "width", "heigth")),
            "no column 'heigth', found width, height, depth; did you mean height? the network was",
        ),
        (
            Inputs((2,), 0, "float32", ("depth", "width")),
            "the network was not trained with the column 'height'; remove it",
        ),
        (Inputs((4,), 0, "float32"), "has float32 features [3], but the network takes float32"),
        (Inputs(), "has float32 features [3], but the network takes uint8 images [64, 64, 3]"),
    ],
)
def test_other_columns_than_in_training_are_one_line(tmp_path, inputs, reason):
    path = write(tmp_path)
    with pytest.raises(DataError) as caught:
        load(tmp_path, inputs=inputs)
    assert str(caught.value).startswith(f"{path}: {reason}")


def test_labels_may_be_missing_for_predictions(tmp_path):
    write(tmp_path, ["1,2", "3,4"], "width,kind")
    got = load(tmp_path, unlabelled=True, tasks=tasks.parse("kind:5,price:real"))
    np.testing.assert_array_equal(got.inputs, [[1], [3]])
    assert got.labels["kind"].tolist() == [2, 4] and np.isnan(got.labels["price"]).all()


def test_validation_is_the_held_out_part_of_train(tmp_path):
    rows = [f"{i},1,2,3,4" for i in range(60)]
    write(tmp_path, rows, split="train")
    validation, train = load(tmp_path, "validation"), load(tmp_path, "train")
    assert validation.names == held_out_numbers(60) and len(validation.names) > 1
    assert sorted(validation.names + train.names) == sorted(map(str, range(60)))
    assert validation.inputs[:, 0].tolist() == list(map(int, validation.names))


@pytest.mark.parametrize(
    "header, rows, reason",
    [
        (
            HEADER,
            ["Paris,1,2,3,4", "Rome,1,2,3,4"],
            " line 2, column width: 'Paris' is not a finite number, as a feature must be; "
            "write one column for each value, with 0 or 1, name the column in --tasks, or remove",
        ),
        (HEADER, [*ROWS, "5,1,x,3,4"], " line 5, column height: 'x' is not a finite number, as a"),
        (HEADER, [*ROWS, "5,1,nan,3,4"], " line 5, column height: 'nan' is not a finite number"),
        (HEADER, [*ROWS, "5,1,1e39,3,4"], " line 5, column height: '1e39' is not a finite number"),
        (HEADER, [*ROWS, "5,1,,3,4"], " line 5, column height: an empty feature; fill it, for"),
        (HEADER, [*ROWS, "5,1,2,3"], " line 5: 4 fields, but the header has 5; quote a field"),
        (HEADER, [*ROWS, "5,3,2,3,4"], " line 5, column kind: class 3 is out of range; number the"),
        (HEADER, [*ROWS, "5,2,2,inf,4"], " line 5, column price: 'inf' is not a number; write a"),
        (
            "a,kind,b,Price,c",
            ROWS,
            ": no column 'price', found a, kind, b, Price, c; did you mean ",
        ),
        ("a,kind,a,price,c", ROWS, ": two columns are named 'a'; rename or remove one"),
        (",kind,a,price,c", ROWS, ": column 1 has no name; name it, or remove it (pandas"),
        ("kind,price", ["1,2"], ": no column is a feature, because each has the name of a task"),
    ],
)
def test_fault_is_one_line_that_names_its_place(tmp_path, header, rows, reason):
    path = write(tmp_path, rows, header)
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{path}{reason}") and "\n" not in message


def test_single_wrong_cell_is_not_called_a_text_column(tmp_path):
    write(tmp_path, [*ROWS, "5,1,x,3,4"])
    with pytest.raises(DataError, match="as a feature must be; correct it, or remove the row"):
        load(tmp_path)


def test_column_of_a_run_is_neither_removed_nor_encoded(tmp_path):
    inputs = Inputs((3,), 0, "float32", ("width", "height", "depth"))
    for width, cure in [("Paris", "; correct it, or remove the row"), ("", ", or remove the row")]:
        write(tmp_path, [f"{width},1,2,3,4"])
        with pytest.raises(DataError, match=f"{cure}$"):
            load(tmp_path, inputs=inputs)


def test_empty_missing_and_unnamed_tables_are_errors(tmp_path):
    with pytest.raises(DataError, match="no split 'test.csv', found none"):
        load(tmp_path)
    write(tmp_path, [])
    with pytest.raises(NoExamplesError, match="no rows in the split test; add some"):
        load(tmp_path)
    (tmp_path / "test.csv").write_bytes(b"")
    with pytest.raises(NoExamplesError, match="empty; write it with a header"):
        load(tmp_path)
    write(tmp_path)
    with pytest.raises(DataError, match="its labels need a network with --tasks, such as"):
        table.load(str(tmp_path), "test")
