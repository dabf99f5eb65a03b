"""mtl.checkpoint with variables of a few numbers: what is found, what is refused, and that nothing is half written."""

import dataclasses
import json
import os
import shutil
import tempfile

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import one_line, touch
from mtl import checkpoint, config
from mtl.errors import DataError
from mtl.runs import directories

W = np.arange(12, dtype=np.float32).reshape(3, 4) + 0.25
B = np.array([7, -2, 5], np.int64)


def write(directory, values, step=3):
    """Save variables of these names and values as step 3 of a run; return the checkpoint's path."""
    with tf.Graph().as_default(), tf.Session() as session:
        variables = {
            name: tf.get_variable(name, initializer=tf.constant(value), use_resource=True)
            for name, value in values.items()
        }
        session.run(tf.global_variables_initializer())
        checkpoint.save(tf.train.Saver(variables), session, str(directory), step)
    return os.path.join(str(directory), f"model.ckpt-{step}")


def zeros(shapes):
    """Make variables name -> (shape, dtype) that start from zero."""
    return {
        name: tf.get_variable(
            name, shape, dtype, initializer=tf.zeros_initializer(), use_resource=True
        )
        for name, (shape, dtype) in shapes.items()
    }


def read(path, shapes):
    """Restore variables name -> (shape, dtype), all zero before; return their values."""
    with tf.Graph().as_default(), tf.Session() as session:
        variables = zeros(shapes)
        session.run(tf.global_variables_initializer())
        checkpoint.restore(session, variables, path)
        return session.run(variables)


SHAPES = {"top/w": ([3, 4], tf.float32), "top/b": ([3], tf.int64)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return write(tmp_path_factory.mktemp("saved"), {"top/w": W, "top/b": B})


@pytest.fixture
def copied(saved, tmp_path):
    """The path of a copy that a test may spoil."""
    shutil.copytree(os.path.dirname(saved), tmp_path, dirs_exist_ok=True)
    return str(tmp_path / os.path.basename(saved))


# -- finding -------------------------------------------------------------------------------------------------------------------------


def test_the_newest_is_the_one_of_the_highest_step(tmp_path):
    for name in ["model.ckpt-9.index", "model.ckpt-10.index", "model.ckpt-200.index"]:
        touch(str(tmp_path / name))
    # None of these is a complete checkpoint of the run.
    for name in [
        "model.ckpt-999.data-00000-of-00001",
        "model.ckpt-1000.index.tmp",
        "xmodel.ckpt-1001.index",
        "modelXckpt-1002.index",
        "model.ckpt-.index",
        "model.ckpt--5.index",
        "other-3000.index",
        "best/model.ckpt-4000.index",
    ]:
        touch(str(tmp_path / name))
    assert checkpoint.newest(str(tmp_path)) == str(tmp_path / "model.ckpt-200")
    assert checkpoint.all_of(str(tmp_path)) == [
        str(tmp_path / f"model.ckpt-{step}") for step in (9, 10, 200)
    ]


def test_the_file_checkpoint_is_not_believed(tmp_path):
    touch(str(tmp_path / "model.ckpt-7.index"))
    (tmp_path / "checkpoint").write_bytes(b"\xff\x00 damaged")
    assert checkpoint.newest(str(tmp_path)) == str(tmp_path / "model.ckpt-7")


def test_no_directory_or_an_empty_one_holds_no_checkpoint(tmp_path):
    touch(str(tmp_path / "file"))
    for path in (tmp_path, tmp_path / "absent", tmp_path / "file"):
        assert checkpoint.newest(str(path)) is None
        assert checkpoint.all_of(str(path)) == []


@pytest.mark.parametrize(
    "path, step",
    [
        ("model.ckpt-0", 0),
        ("a-7/model.ckpt-120", 120),
        ("/x/best/model.ckpt-42", 42),
        ("mine-3", 3),
    ],
)
def test_step_of(path, step):
    assert checkpoint.step_of(path) == step


@pytest.mark.parametrize(
    "path", ["model.ckpt", "model.ckpt-", "model.ckpt-3.index", "a-7/model.ckpt", ""]
)
def test_step_of_another_path(path):
    with pytest.raises(DataError) as error:
        checkpoint.step_of(path)
    one_line(error, path, "not the path of a checkpoint")


# -- reading weights -------------------------------------------------------------------------------------------------------------------


def test_what_was_saved_comes_back(saved):
    found = read(saved, SHAPES)
    np.testing.assert_array_equal(found["top/w"], W)
    np.testing.assert_array_equal(found["top/b"], B)


def test_a_part_may_be_restored(saved):
    np.testing.assert_array_equal(read(saved, {"top/b": SHAPES["top/b"]})["top/b"], B)


def test_weights_in_half_precision_fill_variables_of_float32_alone(tmp_path):
    half = np.linspace(-3, 3, W.size).reshape(W.shape).astype(np.float16)
    path = write(tmp_path, {"top/w": half, "top/b": B.astype(np.float16)}, step=3)
    found = read(path, {"top/w": (list(W.shape), tf.float32)})["top/w"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, half.astype(np.float32))
    with pytest.raises(DataError) as error:
        read(path, {"top/b": (list(B.shape), tf.int64)})
    one_line(error, path, "float16", "int64")


@pytest.mark.parametrize(
    "wrong, parts",
    [
        (
            {"top/w": ([3, 4], tf.float32), "bottom/w": ([2], tf.float32)},
            ["no variable bottom/w", "--bottom"],
        ),
        ({"top/w": ([4, 3], tf.float32)}, ["variable top/w", "[3, 4]", "[4, 3]", "--bottom"]),
        ({"top/w": ([12], tf.float32)}, ["variable top/w", "[3, 4]", "[12]"]),
        ({"top/b": ([3], tf.int32)}, ["variable top/b", "int64", "int32"]),
        ({"top/b": ([], tf.int64)}, ["variable top/b", "[3]", "[]"]),
    ],
    ids=["missing", "transposed", "flat", "dtype", "scalar"],
)
def test_another_networks_weights_are_refused(saved, wrong, parts):
    with pytest.raises(DataError) as error:
        read(saved, wrong)
    one_line(error, saved, *parts)


@pytest.mark.parametrize(
    "suffix, least",
    [
        (".index", 40),  # TensorFlow raises a bare IndexError here
        (".data-00000-of-00001", 72),  # no byte of the values themselves may pass
    ],
)
def test_no_damaged_byte_passes_for_good(copied, suffix, least):
    """Flip one byte after the other: the values come back as they were, or a DataError names the file."""
    with open(copied + suffix, "rb") as file:
        whole = file.read()
    refused = 0
    with tf.Graph().as_default(), tf.Session() as session:
        variables = zeros(SHAPES)
        for at in range(len(whole)):
            with open(copied + suffix, "wb") as file:
                file.write(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
            session.run(tf.variables_initializer(list(variables.values())))
            try:
                checkpoint.restore(session, variables, copied)
            except DataError as error:
                assert copied in str(error) and "\n" not in str(error)
                refused += 1
            else:
                found = session.run(variables)
                np.testing.assert_array_equal(found["top/w"], W)
                np.testing.assert_array_equal(found["top/b"], B)
    assert refused >= least


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
@pytest.mark.parametrize("kept", [0, 1, 30, -1])
def test_a_truncated_file_is_refused(copied, suffix, kept):
    with open(copied + suffix, "rb") as file:
        whole = file.read()
    with open(copied + suffix, "wb") as file:
        file.write(whole[:kept])
    with pytest.raises(DataError) as error:
        read(copied, SHAPES)
    one_line(error, copied, "cannot be read")


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
@pytest.mark.parametrize(
    "content",
    [b"this is no checkpoint\nat all\n" * 9, b"\x00" * 500, None],
    ids=["text", "zeros", "absent"],
)
def test_garbage_is_refused(copied, suffix, content):
    os.remove(copied + suffix)
    if content is not None:
        with open(copied + suffix, "wb") as file:
            file.write(content)
    with pytest.raises(DataError) as error:
        read(copied, SHAPES)
    one_line(error, copied, "cannot be read")


def test_saving_where_nothing_can_be_written(tmp_path):
    touch(str(tmp_path / "file"))
    with pytest.raises(DataError) as error:
        write(tmp_path / "file" / "run", {"top/b": B}, step=17)
    one_line(error, tmp_path / "file" / "run", "step 17")


def test_a_full_disk_is_one_line(tmp_path):
    class Full:
        def save(self, *args, **kwargs):
            raise tf.errors.ResourceExhaustedError(
                None, None, "No space left on device\n\nmany more lines"
            )

    with pytest.raises(DataError) as error:
        checkpoint.save(Full(), None, str(tmp_path), 5)
    one_line(error, tmp_path, "step 5", "No space left on device", "make room")


@pytest.mark.parametrize(
    "keep, expected", [(1, [9]), (2, [7, 9]), (3, [5, 7, 9]), (9, [3, 5, 7, 9])]
)
def test_the_newest_are_kept(tmp_path, keep, expected):
    run = tmp_path / "run"
    others = [
        "model.ckpt-3.meta",
        "model.ckpt-5.index.tempstate1",
        "mine-3.index",
        "model.ckpt-x.index",
    ]
    for name in others:
        touch(str(run / name))
    with tf.Graph().as_default(), tf.Session() as session:
        saver = tf.train.Saver(
            {"b": tf.get_variable("b", initializer=tf.constant(B), use_resource=True)}
        )
        session.run(tf.global_variables_initializer())
        for step in (3, 5, 7, 9):
            checkpoint.save(saver, session, str(run), step, keep)
    assert [checkpoint.step_of(path) for path in checkpoint.all_of(str(run))] == expected
    names = [
        f"model.ckpt-{step}.{suffix}"
        for step in expected
        for suffix in ("index", "data-00000-of-00001")
    ]
    assert sorted(os.listdir(run)) == sorted(["checkpoint", *names, *others])
    state = tf.train.get_checkpoint_state(str(run))
    assert state.model_checkpoint_path == str(run / "model.ckpt-9")
    assert list(state.all_model_checkpoint_paths) == [
        str(run / f"model.ckpt-{step}") for step in expected
    ]


def test_a_new_best_replaces_one_of_a_later_step(tmp_path):
    """As after a fall back from a damaged checkpoint: the one just saved is what counts."""
    for step in (9, 4):
        write(tmp_path, {"b": B}, step)
    assert checkpoint.all_of(str(tmp_path)) == [str(tmp_path / "model.ckpt-4")]


# -- paths that TensorFlow would take for patterns -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """An empty folder for folders of any name."""
    return tmp_path_factory.mktemp("odd")


NAMES = st.text(
    st.one_of(st.sampled_from("*?[]{}\\\\!^-~$%#:1ra "), st.characters(exclude_characters="/\0")),
    min_size=1,
    max_size=12,
)


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(parent=NAMES, name=NAMES)
@hypothesis.example("a", "run[1]")
@hypothesis.example("a[1]", "run")
@hypothesis.example("a", "r*n")
@hypothesis.example("?", "\\\\")
@hypothesis.example("a", "run\udce9")
def test_a_directory_of_any_name_is_saved_to_read_and_cleared_alone(odd, parent, name):
    """What a pattern would match lies beside it, and keeps its checkpoints."""
    hypothesis.assume(
        not {parent, name} & {".", "..", "run1", "neighbour"} and len(os.fsencode(name)) < 200
    )
    neighbours = [
        odd / "neighbour",
        odd / "run1",
        odd / "a1" / "run",
        odd / "a" / "run1",
        odd / "a" / "run",
    ]
    for neighbour in neighbours:
        neighbour.mkdir(parents=True, exist_ok=True)
        for step in (1, 2):
            for suffix in ("index", "data-00000-of-00001"):
                (neighbour / f"model.ckpt-{step}.{suffix}").write_bytes(b"of another run")
    run = odd / parent / name
    hypothesis.assume(run not in neighbours)
    try:
        for step in (1, 2, 3):
            path = write(run, {"top/w": W + step, "top/b": B}, step)
        assert sorted(os.listdir(run)) == [
            "checkpoint",
            "model.ckpt-3.data-00000-of-00001",
            "model.ckpt-3.index",
        ]
        np.testing.assert_array_equal(read(path, SHAPES)["top/w"], W + 3)
        assert directories.find(str(run), "last") == path and directories.damage(path) is None
    finally:
        shutil.rmtree(run, ignore_errors=True)
    for neighbour in neighbours:
        assert {each.read_bytes() for each in neighbour.glob("model*")} == {
            b"of another run"
        } and len(list(neighbour.iterdir())) == 4


def test_a_checkpoint_whose_own_name_is_a_pattern_is_read(saved, tmp_path):
    for suffix in (".index", ".data-00000-of-00001"):
        shutil.copy(saved + suffix, tmp_path / f"a[1]-3{suffix}")
    np.testing.assert_array_equal(read(str(tmp_path / "a[1]-3"), SHAPES)["top/w"], W)


def test_links_leave_nothing_behind_and_need_a_folder(tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    path = write(tmp_path / "run[1]", {"top/w": W, "top/b": B})
    read(path, SHAPES)
    assert not list(temporary.iterdir())
    temporary.rmdir()
    monkeypatch.setattr(checkpoint.os.path, "isdir", lambda path: path == str(temporary))
    with pytest.raises(DataError) as error:
        read(path, SHAPES)
    one_line(error, f"{temporary}: cannot be written", "TMPDIR")
    monkeypatch.setattr(checkpoint.os.path, "isdir", lambda path: False)
    with pytest.raises(DataError) as error:
        read(path, SHAPES)
    one_line(error, temporary, "set TMPDIR to one without *?[")


# -- whose directory it is -------------------------------------------------------------------------------------------------------------


def fill(directory, *names):
    """Make files in a directory, each with its own name as its content; config.json is the record of a run."""
    for name in names:
        touch(str(directory / name))
        (directory / name).write_text(json.dumps({"config": {}}) if name == "config.json" else name)


def contents(directory):
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    "names",
    [
        [], ["lock"], ["notes.txt", "train.log"], ["lock", "config.json.tmp"], ["events.out.tfevents.1.host"], ["vectors.index"],
        ["config.json"], ["config.json", "flags.flags", "versions.json"],  # killed before the first save
        ["config.json", "model.ckpt-20.data-00000-of-00001"],  # killed within it
        ["config.json", "metrics.jsonl", "checkpoint", "best/model.ckpt-20.index", "model.ckpt-40.index"],
        ["config.json", "model.ckpt-40.index"],
    ],
)  # fmt: skip
def test_a_directory_that_a_run_may_use(tmp_path, names):
    fill(tmp_path / "run", *names)
    checkpoint.check_directory(str(tmp_path / "run"))
    checkpoint.check_directory(str(tmp_path / "none"))


@pytest.mark.parametrize(
    "names",
    [
        ["model.ckpt-100.index", "model.ckpt-100.data-00000-of-00001", "checkpoint"], ["checkpoint"], ["best/x"], ["flags.flags"],
        ["versions.json"], ["metrics.jsonl"], ["ckpt-7.index"], ["model-7.meta"], ["weights.data-00001-of-00002"],
    ],
)  # fmt: skip
def test_a_directory_of_something_else_is_refused(tmp_path, names):
    fill(tmp_path, *names)
    before = contents(tmp_path)
    with pytest.raises(DataError) as error:
        checkpoint.check_directory(str(tmp_path))
    first = sorted(names)[0].split("/")[0]
    one_line(
        error,
        tmp_path,
        f"holds {first} but no config.json",
        "not a run of mtl",
        "choose another --model_dir",
    )
    assert contents(tmp_path) == before


def test_the_record_of_something_else_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(DataError) as error:
        checkpoint.check_directory(str(tmp_path))
    one_line(
        error,
        tmp_path / "config.json",
        "not the record of a run of mtl",
        "choose another --model_dir",
    )


@pytest.mark.parametrize(
    "names, sign",
    [
        (["metrics.jsonl"], "metrics.jsonl"),
        (["checkpoint"], "checkpoint"),
        (["best/model.ckpt-20.index"], "best/"),
        (
            ["checkpoint", "best/x", "metrics.jsonl", "model.ckpt-20.data-00000-of-00001"],
            "checkpoint, metrics.jsonl, best/",
        ),
        (
            ["model.ckpt-20.data-00000-of-00001", "model.ckpt-40.data-00000-of-00001"],
            "model.ckpt-20.data-00000-of-00001",
        ),
    ],
)
def test_a_run_whose_checkpoints_are_gone_is_refused(tmp_path, names, sign):
    fill(tmp_path, "config.json", *names)
    before = contents(tmp_path)
    with pytest.raises(DataError) as error:
        checkpoint.check_directory(str(tmp_path))
    told = f"{tmp_path}: steps were saved, as {sign} show, but no model.ckpt-N.index is left; restore model.ckpt-* from a copy"
    one_line(error, told)
    assert contents(tmp_path) == before


# -- the texts -------------------------------------------------------------------------------------------------------------------------


def test_records_are_written_whole(tmp_path):
    run = tmp_path / "a" / "run"
    rows = [
        {"step": 4, "sequence_accuracy": 0.25, "cost": None},
        {"step": 8, "sequence_accuracy": 0.5, "cost": -1.5},
    ]
    checkpoint.write_records(str(run), {"config.json": "{}\n", "flags.flags": "--größe=1\n"}, rows)
    assert sorted(os.listdir(run)) == ["config.json", "flags.flags", "metrics.jsonl"]
    assert (run / "flags.flags").read_text(encoding="utf-8") == "--größe=1\n"
    assert [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()] == rows
    checkpoint.write_records(str(run), {}, rows[:1])
    assert [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()] == rows[
        :1
    ]
    assert (run / "config.json").read_text() == "{}\n"


@pytest.mark.parametrize("moment", ["write", "replace"])
def test_a_text_cut_off_leaves_the_one_before(tmp_path, monkeypatch, moment):
    checkpoint.write_records(str(tmp_path), {"config.json": "old\n"}, [])

    class Cut:
        def __init__(self, path):
            self.path = path

        def __enter__(self):
            return self

        def __exit__(self, *unused):
            pass

        def write(self, text):
            with open(self.path, "w", encoding="utf-8") as file:
                file.write(text[: len(text) // 2])
            raise OSError(28, "No space left on device")

    def no_replace(source, target):
        raise OSError(5, "Input/output error")

    if moment == "write":
        monkeypatch.setattr(
            checkpoint, "open", lambda path, *args, **kwargs: Cut(path), raising=False
        )
    else:
        monkeypatch.setattr(checkpoint.os, "replace", no_replace)
    with pytest.raises(DataError) as error:
        checkpoint.write_records(str(tmp_path), {"config.json": "new and longer\n"}, [])
    monkeypatch.undo()
    one_line(error, tmp_path, "cannot be written")
    assert (tmp_path / "config.json").read_text() == "old\n"


def test_records_into_a_file_are_refused(tmp_path):
    touch(str(tmp_path / "file"))
    with pytest.raises(DataError) as error:
        checkpoint.write_records(str(tmp_path / "file"), {"config.json": "{}"}, [])
    one_line(error, tmp_path / "file")


def test_the_record_comes_back(tmp_path):
    record = config.Config(bottom="mlp", steps=7, learning_rate=0.5, data_dir="dätä")
    checkpoint.write_records(
        str(tmp_path),
        {"config.json": json.dumps({"config": dataclasses.asdict(record), "tasks": []})},
        [],
    )
    assert checkpoint.read_config(str(tmp_path)) == record


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"7", b"null", b"{}", b'{"config": null}', b'{"config": []}', b'{"config": {"steps": "many"}}',
     b'{"config": {"colour": 1}}', b'{"config": {"steps": 1', b"\xff\xfe\x00", b'{"config": "x"}',
     pytest.param(b"[" * 100_000, id="nested")],
)  # fmt: skip
def test_what_is_no_record_is_refused(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(DataError) as error:
        checkpoint.read_config(str(tmp_path))
    one_line(error, tmp_path / "config.json", "not the record of a run")


def test_no_record_is_refused(tmp_path):
    with pytest.raises(DataError) as error:
        checkpoint.read_config(str(tmp_path))
    one_line(error, tmp_path / "config.json", "no such file", "mtl train --model_dir=")
    os.mkdir(tmp_path / "config.json")
    with pytest.raises(DataError) as error:
        checkpoint.read_config(str(tmp_path))
    one_line(
        error, tmp_path / "config.json", "cannot be read (not a file); make it a readable file"
    )


ROWS = [{"step": step, "sequence_accuracy": step / 100} for step in (10, 20, 30)]


def metrics(tmp_path, text):
    (tmp_path / "metrics.jsonl").write_text(text)
    return str(tmp_path)


@pytest.mark.parametrize("up_to, kept", [(0, 0), (9, 0), (10, 1), (29, 2), (30, 3), (1000, 3)])
def test_metrics_up_to_a_step(tmp_path, up_to, kept):
    run = metrics(tmp_path, "".join(json.dumps(row) + "\n" for row in ROWS))
    assert checkpoint.read_metrics(run, up_to) == ROWS[:kept]


NESTED = pytest.param("[" * 100_000, id="nested")


@pytest.mark.parametrize(
    "end",
    [
        '{"step": 20, "sequ',
        "\x00\x00\x00",
        "7\n",
        "[]\n",
        '{"cost": 1}\n',
        '{"step": "20"}\n',
        "\n",
        NESTED,
    ],
)
def test_a_damaged_line_ends_the_metrics(tmp_path, end):
    run = metrics(tmp_path, json.dumps(ROWS[0]) + "\n" + end)
    assert checkpoint.read_metrics(run, 100) == ROWS[:1]


def test_a_run_without_metrics_has_none(tmp_path):
    assert checkpoint.read_metrics(str(tmp_path), 100) == []


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_metrics_that_cannot_be_read_are_not_taken_for_none(tmp_path, make):
    make(tmp_path / "metrics.jsonl")
    with pytest.raises(DataError) as error:
        checkpoint.read_metrics(str(tmp_path), 100)
    one_line(error, tmp_path / "metrics.jsonl", "cannot be read (not a file)")
