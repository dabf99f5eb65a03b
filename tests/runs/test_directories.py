"""mtl.runs: which checkpoint is meant, and what is made of a directory whose process was killed or whose files were damaged."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import one_line, touch
from mtl import checkpoint
from mtl.errors import DataError
from mtl.runs import directories


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A run that was saved at the steps 5 and 9, with the best of step 3."""
    directory = str(tmp_path_factory.mktemp("written"))
    with tf.Graph().as_default(), tf.Session() as session:
        w = tf.get_variable("w", initializer=np.arange(5, dtype=np.float32), use_resource=True)
        saver = tf.train.Saver({"w": w})
        session.run(w.initializer)
        for step in (5, 9):
            checkpoint.save(saver, session, directory, step, keep=2)
        checkpoint.save(saver, session, os.path.join(directory, "best"), 3)
    checkpoint.write_records(
        directory, {"config.json": "{}\n"}, [{"step": 3}, {"step": 5}, {"step": 9}]
    )
    return directory


@pytest.fixture
def directory(written, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(written, tmp_path / "run")


# -- finding -------------------------------------------------------------------------------------------------------------------------


def test_find(directory):
    run = str(directory)
    assert directories.find(run) == directories.find(run, "best") == f"{run}/best/model.ckpt-3"
    assert directories.find(run, "last") == f"{run}/model.ckpt-9"
    for which in (f"{run}/model.ckpt-5", f"{run}/model.ckpt-5.index"):
        assert directories.find("elsewhere", which) == f"{run}/model.ckpt-5"
    shutil.rmtree(directory / "best")
    assert directories.find(run) == f"{run}/model.ckpt-9", "no best was kept"


def test_find_where_there_is_none(directory, tmp_path):
    (tmp_path / "empty").mkdir()
    for which in ("best", "last"):
        for absent in (str(tmp_path / "empty"), str(tmp_path / "absent")):
            with pytest.raises(DataError) as error:
                directories.find(absent, which)
            one_line(error, absent, "mtl train --model_dir=")
    with pytest.raises(DataError) as error:
        directories.find(str(directory), str(directory / "model.ckpt-6"))
    one_line(error, directory / "model.ckpt-6", "--checkpoint")
    with pytest.raises(DataError):
        directories.find(str(directory), str(directory))
    for path in (f"{directory}/model.ckpt-5", f"{directory}/model.ckpt-5.index"):
        with pytest.raises(DataError) as error:
            directories.find(path)
        one_line(
            error, f"{path}: is a checkpoint, not a run directory; name its folder, {directory}"
        )


def test_one_that_is_not_to_be_opened_is_not_found(directory):
    (directory / "model.ckpt-9.data-00000-of-00001").unlink()
    with pytest.raises(DataError) as error:
        directories.find(str(directory), "last")
    one_line(
        error,
        directory / "model.ckpt-9",
        "no file model.ckpt-9.data-00000-of-00001",
        "--checkpoint",
    )


def test_the_packaged_run_is_found_by_its_name():
    assert (
        directories.directory("pretrained") == directories.PACKAGED["pretrained"]
        and directories.directory("./pretrained") == "./pretrained"
    )
    assert os.path.dirname(directories.find("pretrained")) == directories.PACKAGED["pretrained"]


# -- mending -------------------------------------------------------------------------------------------------------------------------


def files(directory):
    """What is in a directory: dict path -> (bytes, time of change)."""
    found = [path for path in directory.rglob("*") if path.is_file()]
    return {
        path.relative_to(directory).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in found
    }


def mend(directory):
    said = []
    directories.mend(str(directory), said.append)
    return said


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


def test_nothing_is_done_to_what_is_whole_or_not_there(directory, tmp_path):
    before = files(directory)
    assert mend(directory) == [] and files(directory) == before
    assert mend(tmp_path / "absent") == [] and not (tmp_path / "absent").exists()


def test_what_killed_saves_leave_is_removed_and_nothing_else(directory):
    before = set(files(directory))
    killed = [
        "model.ckpt-11.data-00000-of-00001",
        "model.ckpt-11.index.tempstate123",
        "model.ckpt-11.data-00000-of-00001.tempstate77",
    ]
    killed += [
        "checkpoint.tmp0a1b",
        "metrics.jsonl.tmp",
        "config.json.tmp",
        "flags.flags.tmp",
        "versions.json.tmp",
        "best/checkpoint.tmp9",
    ]
    killed += ["best/model.ckpt-5.data-00000-of-00001"]
    others = [
        "notes.tmp",
        "mine.tempstate12",
        "model.ckpt-x.index",
        "my-model.ckpt-11.data-00000-of-00001",
        "model.ckpt-11.meta",
    ]
    for name in killed + others:
        touch(str(directory / name))
    assert mend(directory) == []
    assert set(files(directory)) == before | set(others)


@pytest.mark.parametrize("suffix", ["index", "data-00000-of-00001"])
def test_a_damaged_newest_one_is_set_aside_for_the_one_before(directory, suffix):
    damage(directory / f"model.ckpt-9.{suffix}")
    told = mend(directory)
    assert (
        len(told) == 1
        and "\n" not in told[0]
        and f"continuing from {directory}/model.ckpt-5" in told[0]
    )
    assert told[0].startswith(f"warning: {directory}/model.ckpt-9: cannot be read (")
    assert checkpoint.newest(str(directory)) == str(directory / "model.ckpt-5")
    aside = {name for name in files(directory) if name.startswith("damaged-")}
    assert aside == {"damaged-model.ckpt-9.index", "damaged-model.ckpt-9.data-00000-of-00001"}
    after = files(directory)
    assert (
        mend(directory) == ["warning: " + TOLD.format(directory, "model.ckpt-5")]
        and files(directory) == after
    )


TOLD = "{}/checkpoint does not name {}, the newest checkpoint; continuing from that one"


def test_two_damaged_ones_are_set_aside_for_a_third(directory):
    for suffix in ("index", "data-00000-of-00001"):
        shutil.copy(directory / "best" / f"model.ckpt-3.{suffix}", directory)
    for step in (5, 9):
        (directory / f"model.ckpt-{step}.data-00000-of-00001").write_bytes(b"")
    assert len(mend(directory)) == 2 and checkpoint.newest(str(directory)) == str(
        directory / "model.ckpt-3"
    )


def test_of_several_the_newest_are_kept(directory):
    for folder, step in [(directory, 3), (directory, 4), (directory / "best", 1)]:
        for suffix in ("index", "data-00000-of-00001"):
            shutil.copy(
                directory / "best" / f"model.ckpt-3.{suffix}",
                folder / f"model.ckpt-{step}.{suffix}",
            )
    assert mend(directory) == []
    kept = {
        folder: [checkpoint.step_of(path) for path in checkpoint.all_of(str(directory / folder))]
        for folder in ("", "best")
    }
    assert kept == {"": [5, 9], "best": [3]}


@pytest.mark.parametrize("suffix", ["index", "data-00000-of-00001"])
def test_a_checkpoint_called_whole_gives_back_what_was_saved_whichever_bit_is_flipped(
    directory, suffix
):
    path, file, found = str(directory / "model.ckpt-9"), directory / f"model.ckpt-9.{suffix}", 0
    whole = file.read_bytes()
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        file.write_bytes(changed)
        if directories.damage(path):
            found += 1
        else:
            np.testing.assert_array_equal(
                checkpoint.read(path, {"w": ([5], tf.float32)})["w"], np.arange(5, dtype=np.float32)
            )
    assert found >= (8 * 5 * 4 if suffix != "index" else 4 * len(whole)), (
        "each bit of the values, most of those that say where they are"
    )


def test_where_none_can_be_read_the_run_is_not_started_over(directory):
    for step in (5, 9):
        damage(directory / f"model.ckpt-{step}.data-00000-of-00001")
    before = files(directory)
    with pytest.raises(DataError) as error:
        mend(directory)
    one_line(
        error,
        f"{directory}: none of its checkpoints can be read (model.ckpt-9: ",
        "model.ckpt-5: ",
        "--model_dir",
    )
    assert files(directory) == before


@pytest.mark.parametrize("step, others", [(9, ["model.ckpt-5"]), (5, ["model.ckpt-9"])])
def test_a_checkpoint_that_lost_its_index_is_set_aside_and_not_removed(directory, step, others):
    """Its data may be all that is left of hours of training."""
    (directory / f"model.ckpt-{step}.index").unlink()
    data = f"model.ckpt-{step}.data-00000-of-00001"
    content = (directory / data).read_bytes()
    told = mend(directory)
    if step == 9:
        assert (
            len(told) == 1
            and "model.ckpt-9: cannot be read (no file model.ckpt-9.index); set aside as damaged-"
            in told[0]
        )
        assert (directory / f"damaged-{data}").read_bytes() == content
    else:
        assert told == [] and (directory / data).read_bytes() == content, (
            "an older one stays until the next save"
        )
    assert [os.path.basename(path) for path in checkpoint.all_of(str(directory))] == others


def test_where_all_lost_their_index_the_run_is_not_started_over(directory):
    for step in (5, 9):
        (directory / f"model.ckpt-{step}.index").unlink()
    before = files(directory)
    with pytest.raises(DataError) as error:
        mend(directory)
    one_line(
        error,
        "none of its checkpoints can be read (model.ckpt-9: no file model.ckpt-9.index; model.ckpt-5: no file",
    )
    assert files(directory) == before


@pytest.mark.parametrize("lost", ["model.ckpt-3.index", "model.ckpt-3.data-00000-of-00001", "."])
def test_best_weights_that_are_gone_are_told_and_what_is_left_stays(directory, lost):
    shutil.rmtree(directory / "best") if lost == "." else (directory / "best" / lost).unlink()
    before = files(directory)
    told = mend(directory)
    expected = (
        []
        if lost.endswith("00001")
        else [
            f"warning: {directory}/best: the best weights are missing; the next better evaluation"
        ]
    )
    assert [line[: len(expected[0])] for line in told] == expected and files(directory) == before


@pytest.mark.parametrize("lines", [None, "", '{"step": 5}\n{"step": 9}\n'])
def test_best_weights_whose_evaluation_is_lost_are_set_aside(directory, lines):
    """Nothing tells how good they are, so that the next evaluation would replace them."""
    (directory / "metrics.jsonl").unlink() if lines is None else (
        directory / "metrics.jsonl"
    ).write_text(lines)
    (directory / "damaged-best").mkdir()
    content = (directory / "best" / "model.ckpt-3.index").read_bytes()
    aside = directory / "damaged-best-1"
    assert (
        f"warning: {directory}/best: metrics.jsonl has no evaluation of its step 3; set aside as {aside}"
        in mend(directory)
    )
    assert (
        not (directory / "best").exists() and (aside / "model.ckpt-3.index").read_bytes() == content
    )


def test_best_weights_of_the_newest_step_await_their_evaluation(directory):
    """A kill after they were saved and before their metrics were leaves them so."""
    (directory / "metrics.jsonl").write_text('{"step": 5}\n')
    for suffix in ("index", "data-00000-of-00001"):
        (directory / "best" / f"model.ckpt-3.{suffix}").rename(
            directory / "best" / f"model.ckpt-9.{suffix}"
        )
    assert mend(directory) == [] and (directory / "best" / "model.ckpt-9.index").exists()


def test_a_checkpoint_that_cannot_be_read_now_is_not_damaged(directory, monkeypatch):
    """No rights, too many open files, a disk that does not answer: nothing is set aside for that."""
    before = files(directory)

    def denied(path):
        raise PermissionError(errno.EACCES, "Permission denied", path + ".index")

    monkeypatch.setattr(directories.bundle, "check", denied)
    with pytest.raises(DataError) as error:
        mend(directory)
    one_line(
        error,
        f"{directory}/model.ckpt-9.index: cannot be read (Permission denied); make it readable",
    )
    assert files(directory) == before


@pytest.mark.parametrize(
    "content",
    [None, b"", b"\x00\xff garbage", b'model_checkpoint_path: "/elsewhere/model.ckpt-5"\n'],
)
def test_a_file_checkpoint_that_does_not_name_the_newest_is_said_and_not_believed(
    directory, content
):
    (directory / "checkpoint").unlink()
    if content is not None:
        (directory / "checkpoint").write_bytes(content)
    assert mend(directory) == ["warning: " + TOLD.format(directory, "model.ckpt-9")]
    assert checkpoint.newest(str(directory)) == str(directory / "model.ckpt-9")


def test_damaged_metrics_are_said(directory):
    (directory / "metrics.jsonl").write_text('{"step": 3}\n{"st\n{"step": 9}\n')
    damaged = (directory / "metrics.jsonl").read_bytes()
    told = f"warning: {directory}/metrics.jsonl: line 2 is damaged; later evaluations are dropped, "
    told += f"{directory}/damaged-metrics.jsonl has them"
    assert mend(directory) == [told]
    assert (directory / "damaged-metrics.jsonl").read_bytes() == damaged


# -- a process that is killed as it saves ------------------------------------------------------------------------------------------------

SAVING = """
import sys
import numpy as np
import tensorflow.compat.v1 as tf
from mtl import checkpoint
with tf.Graph().as_default(), tf.Session() as session:
    # 6 MB, so that most of the time goes by in the middle of a file.
    variables = {f"w{i}": tf.get_variable(f"w{i}", [500_000], initializer=tf.zeros_initializer(), use_resource=True) for i in range(3)}
    fill = [v.assign_add(tf.ones_like(v)) for v in variables.values()]
    saver = tf.train.Saver(variables)
    session.run(tf.variables_initializer(list(variables.values())))
    first = checkpoint.newest(sys.argv[1])
    if first:
        checkpoint.restore(session, variables, first)
    step = checkpoint.step_of(first) if first else 0
    while True:
        step += 1
        session.run(fill)
        checkpoint.save(saver, session, sys.argv[1], step, keep=2)
        print(step, flush=True)
"""


def test_a_process_killed_while_it_saves_leaves_a_newest_checkpoint_that_is_whole_and_no_litter(
    tmp_path,
):
    """Forty moments of a process that does nothing but save; mended, the directory is always that of a clean end."""
    moments, directory, reached, litter = np.random.default_rng(11), tmp_path / "run", 0, 0
    for life in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", SAVING, str(directory)], stdout=subprocess.PIPE, text=True
        )
        try:
            for moment in range(20):
                for _ in range(moments.integers(1, 4)):
                    reached = int(process.stdout.readline())
                time.sleep(moments.uniform(0.0, 0.03))
                # Stopped, its directory is what a kill at this moment would leave.
                process.send_signal(signal.SIGSTOP)
                os.waitpid(process.pid, os.WUNTRACED)
                here = shutil.copytree(directory, tmp_path / f"{life}-{moment}")
                process.send_signal(signal.SIGCONT)
                before = set(files(here))
                told = mend(here)
                litter += len(before - set(files(here)))
                newest = checkpoint.newest(str(here))
                assert checkpoint.step_of(newest) >= reached and not [
                    line for line in told if "cannot be read" in line
                ]
                assert (
                    checkpoint.read(newest, {"w1": ([500_000], tf.float32)})["w1"]
                    == checkpoint.step_of(newest)
                ).all()
                assert len(checkpoint.all_of(str(here))) <= 2
                shutil.rmtree(here)
        finally:
            process.kill()
            process.communicate()
        mend(directory)
    assert litter, "no moment within a save was met"
