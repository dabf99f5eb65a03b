"""Files that a command did not write stay unchanged; a run that lost weights does not restart."""

import os
import shutil

import numpy as np
import pytest

from mtl import run_files
from mtl.runs import find
from tests import event_files, svhn_files
from tests.run_directories import fingerprint, saved_steps

pytestmark = pytest.mark.slow


@pytest.fixture
def flags(trained):
    """The flags of the finished run without its directory."""
    return [*trained.flags, f"--data_dir={trained.data_dir}"]


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the run, finished at step 60, that a test may change."""
    return shutil.copytree(trained.model_dir, tmp_path / "run")


# -- foreign directories ---------------------------------------------------------------------------


def test_a_foreign_tensorflow_run_is_rejected_unchanged(refused, trained, flags, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    for step in range(100, 600, 100):
        for suffix in ("index", "data-00000-of-00001"):
            source = f"{trained.model_dir}/model.ckpt-60.{suffix}"
            shutil.copy(source, foreign / f"model.ckpt-{step}.{suffix}")
    before = fingerprint(foreign)
    line = refused(2, "train", f"--model_dir={foreign}", *flags)
    assert f"{foreign}: holds model.ckpt-100.data-00000-of-00001 but no config.json" in line
    assert fingerprint(foreign) == before


@pytest.mark.parametrize(
    "name, content",
    [("config.json", '{"model_type": "bert"}'), ("lock", "held by another program\n")],
)
def test_a_foreign_file_is_rejected_unchanged(refused, flags, tmp_path, name, content):
    (tmp_path / name).write_text(content)
    before = fingerprint(tmp_path)
    assert f"{tmp_path}/{name}: " in refused(2, "train", f"--model_dir={tmp_path}", *flags)
    assert fingerprint(tmp_path) == before


def test_the_packaged_run_is_rejected_by_path_and_link(refused, flags, tmp_path):
    packaged = find.PACKAGED["pretrained"]
    (tmp_path / "link").symlink_to(packaged)
    names = sorted(os.listdir(packaged))
    for path in (packaged, tmp_path / "link"):
        assert "is the packaged network" in refused(1, "train", f"--model_dir={path}", *flags)
    assert sorted(os.listdir(packaged)) == names


def test_a_resume_keeps_foreign_event_files(command, flags, run):
    other = run / "events.out.tfevents.1700000000.host"
    other.write_bytes(b"of another program")
    code, _, err = command("train", f"--model_dir={run}", *flags, "--steps=62")
    assert (code, "warning" in err) == (0, False) and other.read_bytes() == b"of another program"


def test_a_folder_with_a_foreign_page_is_rejected_for_a_report(refused, trained, tmp_path):
    (tmp_path / "index.html").write_text("a page of another program")
    before = fingerprint(tmp_path)
    line = refused(2, "evaluate", f"--model_dir={trained.model_dir}", f"--report={tmp_path}")
    assert f"{tmp_path}: has a file index.html" in line
    assert fingerprint(tmp_path) == before


# -- lost files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", ["model.ckpt-*", "model.ckpt-*.index", "[mc]*k*p*t*"])
def test_a_run_without_checkpoints_does_not_start_over(refused, flags, run, lost):
    for path in run.glob(lost):
        path.unlink()
    before = fingerprint(run)
    line = refused(2, "train", f"--model_dir={run}", *flags)
    assert "show that steps were saved, but no checkpoint is left" in line
    assert "restore model.ckpt-* from a copy" in line
    assert fingerprint(run) == before


# -- names -----------------------------------------------------------------------------------------

ODD, PLAIN = "parent[1]/run[1]", "parent1/run1"  # as a pattern, the first means the second


@pytest.fixture
def odd(trained, tmp_path):
    """A folder with a copy of the run under both names."""
    for name in (ODD, PLAIN):
        shutil.copytree(trained.model_dir, tmp_path / name)
    return tmp_path


def test_a_path_with_brackets_is_no_pattern(command, image_files, flags, odd):
    run, before = f"--model_dir={odd / ODD}", fingerprint(odd / PLAIN)
    code, out, err = command("train", run, *flags, "--steps=64", "--save_every=2")
    assert code == 0 and "continuing from step 60" in err, err
    assert saved_steps(odd / ODD) == [62, 64]
    assert max(step for step, _ in event_files.scalars(odd / ODD)) == 64
    assert fingerprint(odd / PLAIN) == before
    shutil.rmtree(odd / PLAIN)
    for which in ("best", "last"):
        code, out, err = command("evaluate", run, f"--checkpoint={which}", "--json")
        assert code == 0 and '"sequence_accuracy": 1.0' in out, err
    code, out, err = command("predict", run, *image_files)
    assert code == 0 and "210" in out, err
    start = f"--init_from={odd / ODD}"
    code, out, err = command("train", f"--model_dir={odd / 'new'}", *flags, "--steps=1", start)
    assert code == 0 and f"starting from the weights of {odd / ODD}" in err, err


def test_an_installation_under_a_path_with_brackets_predicts(
    command, image_files, tmp_path, monkeypatch
):
    directory = tmp_path / "site[1]" / "pretrained"
    packaged = shutil.copytree(find.PACKAGED["pretrained"], directory)
    monkeypatch.setitem(find.PACKAGED, "pretrained", str(packaged))
    code, out, err = command("predict", *image_files[:2])
    assert (code, out.count("\n"), err) == (0, 2, "")


def test_records_under_a_path_with_brackets_train(command, tmp_path):
    labelled = [(f"{i}.png", svhn_files.boxes(str(i))) for i in range(1, 31)]
    svhn_files.draw(tmp_path / "data" / "train", labelled)
    records, run = tmp_path / "records[1]", tmp_path / "run[1]"
    archive = f"--archive_dir={tmp_path / 'data'}"
    code, _, err = command("convert", archive, f"--out={records}", "--splits=train")
    assert code == 0, err
    flags = ["--dataset=records", "--bottom=mlp", "--crop=14", "--batch_size=3", "--steps=2"]
    code, out, err = command("train", f"--data_dir={records}", *flags, f"--model_dir={run}")
    assert code == 0 and out.startswith(f"{run}: step 2"), err


def test_flags_keep_the_spaces_at_the_end_of_a_folder(command, trained, tmp_path):
    data, run = shutil.copytree(trained.data_dir, tmp_path / "data "), tmp_path / "run"
    flags = ["--bottom=mlp", "--crop=14", "--batch_size=3", "--dataset=npz"]
    flags.append("--notensorboard")
    assert command("train", f"--model_dir={run}", f"--data_dir={data}", *flags, "--steps=1")[0] == 0
    repeat = [f"--flagfile={run / 'flags.flags'}", "--steps=2", "--notensorboard"]
    code, _, err = command("train", f"--model_dir={run}", *repeat)
    assert code == 0 and "continuing from step 1" in err, err


# -- messages --------------------------------------------------------------------------------------


def test_a_checkpoint_given_as_run_directory_is_named(refused, trained, flags, image_files):
    path = f"{trained.model_dir}/model.ckpt-60"
    for command in (
        ["train", f"--model_dir={path}", *flags],
        ["evaluate", f"--model_dir={path}"],
        ["predict", f"--model_dir={path}", image_files[0]],
    ):
        line = refused(2, *command)
        assert f"{path}: is a checkpoint" in line
        assert f"use --model_dir={trained.model_dir}" in line


def test_a_dangling_link_is_named(refused, trained, flags, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "gone")
    for command in (
        ["train", f"--model_dir={link}", *flags],
        ["train", f"--model_dir={link / 'run'}", *flags],
        ["evaluate", f"--model_dir={trained.model_dir}", f"--report={link}"],
    ):
        line = refused(2, *command)
        assert f"{link}: is a link to {tmp_path}/gone, which does not exist" in line


def test_an_unreadable_config_json_is_not_called_damaged(refused, run):
    (run / "config.json").unlink()
    os.mkfifo(run / "config.json")  # opening it would block
    for arguments in (["evaluate"], ["train", "--dataset=npz", "--data_dir=x"]):
        line = refused(2, *arguments, f"--model_dir={run}")
        assert f"{run}/config.json: cannot be read (not a file); make it a readable file" in line


def test_a_byte_order_mark_in_config_json_is_skipped(command, run):
    (run / "config.json").write_bytes(b"\xef\xbb\xbf" + (run / "config.json").read_bytes())
    assert command("evaluate", f"--model_dir={run}", "--json")[0] == 0
    assert np.isfinite(run_files.read_config(str(run)).learning_rate)
