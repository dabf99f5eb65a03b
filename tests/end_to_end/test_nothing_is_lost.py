"""What a command finds and did not write stays as it is; a run that lost its weights does not start over; odd names are names."""

import os
import shutil

import numpy as np
import pytest

from mtl import checkpoint
from mtl.runs import directories
from tests import event_files, svhn_files


def contents(directory):
    """Return dict path -> (bytes, time of change) of all files of a directory."""
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def flags(trained):
    """Return the flags of the toy's run without its directory."""
    return [*trained.flags, f"--data_dir={trained.data_dir}"]


@pytest.fixture
def run(trained, tmp_path):
    """Return a copy of the toy's run, finished at step 60, that a test may spoil."""
    return shutil.copytree(trained.model_dir, tmp_path / "run")


# -- directories of others -------------------------------------------------------------------------------------------------------------


def test_a_tensorflow_run_of_somebody_else_is_refused_untouched(refused, trained, flags, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    for step in range(100, 600, 100):
        for suffix in ("index", "data-00000-of-00001"):
            shutil.copy(
                f"{trained.model_dir}/model.ckpt-60.{suffix}",
                foreign / f"model.ckpt-{step}.{suffix}",
            )
    before = contents(foreign)
    line = refused(2, "train", f"--model_dir={foreign}", *flags)
    assert f"{foreign}: holds model.ckpt-100.data-00000-of-00001 but no config.json" in line
    assert contents(foreign) == before


@pytest.mark.parametrize(
    "name, content",
    [("config.json", '{"model_type": "bert"}'), ("lock", "held by another program\n")],
)
def test_a_file_of_another_program_is_refused_untouched(refused, flags, tmp_path, name, content):
    (tmp_path / name).write_text(content)
    before = contents(tmp_path)
    assert f"{tmp_path}/{name}: " in refused(2, "train", f"--model_dir={tmp_path}", *flags)
    assert contents(tmp_path) == before


def test_the_packaged_run_is_refused_by_its_path_too(refused, flags, tmp_path):
    packaged = directories.PACKAGED["pretrained"]
    (tmp_path / "link").symlink_to(packaged)
    names = sorted(os.listdir(packaged))
    for path in (packaged, tmp_path / "link"):
        assert "names the packaged weights" in refused(1, "train", f"--model_dir={path}", *flags)
    assert sorted(os.listdir(packaged)) == names


def test_event_files_of_another_program_stay_on_a_resume(command, flags, run):
    other = run / "events.out.tfevents.1700000000.host"
    other.write_bytes(b"of another program")
    code, _, err = command("train", f"--model_dir={run}", *flags, "--steps=62")
    assert (code, "warning" in err) == (0, False) and other.read_bytes() == b"of another program"


def test_a_folder_with_a_page_is_no_place_for_a_report(refused, trained, tmp_path):
    (tmp_path / "index.html").write_text("a page of somebody")
    line = refused(2, "evaluate", f"--model_dir={trained.model_dir}", f"--report={tmp_path}")
    assert (
        f"{tmp_path}: holds index.html, and no report of mtl" in line
        and len(contents(tmp_path)) == 1
    )


# -- a run that lost files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", ["model.ckpt-*", "model.ckpt-*.index", "[mc]*k*p*t*"])
def test_a_run_without_checkpoints_does_not_start_over(refused, flags, run, lost):
    for path in run.glob(lost):
        path.unlink()
    before = contents(run)
    line = refused(2, "train", f"--model_dir={run}", *flags)
    assert (
        f"{run}: steps were saved, as " in line
        and "but no model.ckpt-N.index is left; restore model.ckpt-* from a copy" in line
    )
    assert contents(run) == before


# -- names -----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def odd(trained, tmp_path):
    """Return a folder with the toy's run as parent[1]/run[1], and an equal one as parent1/run1, which that means as a pattern."""
    for name in ("parent[1]/run[1]", "parent1/run1"):
        shutil.copytree(trained.model_dir, tmp_path / name)
    return tmp_path


def test_a_run_with_a_bracket_in_its_path_goes_on_and_its_neighbour_stays(
    command, pictures, flags, odd
):
    name, other = "parent[1]/run[1]", "parent1/run1"
    before, run = contents(odd / other), f"--model_dir={odd / name}"
    code, out, err = command("train", run, *flags, "--steps=64", "--save_every=2")
    assert code == 0 and "continuing from step 60" in err, err
    assert [os.path.basename(path) for path in checkpoint.all_of(str(odd / name))] == [
        "model.ckpt-62",
        "model.ckpt-64",
    ]
    assert max(step for step, _ in event_files.scalars(odd / name)) == 64
    assert contents(odd / other) == before
    shutil.rmtree(odd / other)
    for which in ("best", "last"):
        code, out, err = command("evaluate", run, f"--checkpoint={which}", "--json")
        assert code == 0 and '"sequence_accuracy": 1.0' in out, err
    code, out, err = command("predict", run, *pictures)
    assert code == 0 and "210" in out, err
    code, out, err = command(
        "train", f"--model_dir={odd / 'new'}", *flags, "--steps=1", f"--init_from={odd / name}"
    )
    assert code == 0 and f"starting from the weights of {odd / name}" in err, err


def test_an_installation_below_a_folder_with_a_bracket_reads(
    command, pictures, tmp_path, monkeypatch
):
    packaged = shutil.copytree(
        directories.PACKAGED["pretrained"], tmp_path / "site[1]" / "pretrained"
    )
    monkeypatch.setitem(directories.PACKAGED, "pretrained", str(packaged))
    code, out, err = command("predict", *pictures[:2])
    assert (code, out.count("\n"), err) == (0, 2, "")


def test_records_below_a_folder_with_a_bracket_train(command, tmp_path):
    svhn_files.draw(
        tmp_path / "data" / "train", [(f"{i}.png", svhn_files.boxes(str(i))) for i in range(1, 31)]
    )
    records = tmp_path / "records[1]"
    code, _, err = command(
        "convert", f"--archive_dir={tmp_path / 'data'}", f"--out={records}", "--splits=train"
    )
    assert code == 0, err
    flags = [
        f"--data_dir={records}",
        "--bottom=mlp",
        "--batch_size=3",
        "--steps=2",
        f"--model_dir={tmp_path / 'run[1]'}",
    ]
    code, out, err = command("train", "--dataset=records", *flags)
    assert code == 0 and out.startswith(f"{tmp_path / 'run[1]'}: step 2"), err


def test_flags_keep_the_blanks_at_the_end_of_a_folder(command, trained, tmp_path):
    data, run = shutil.copytree(trained.data_dir, tmp_path / "data "), tmp_path / "run"
    flags = ["--bottom=mlp", "--batch_size=3", "--dataset=npz", "--notensorboard"]
    assert command("train", f"--model_dir={run}", f"--data_dir={data}", *flags, "--steps=1")[0] == 0
    shutil.rmtree(tmp_path / "data", ignore_errors=True)
    code, _, err = command(
        "train",
        f"--model_dir={run}",
        f"--flagfile={run / 'flags.flags'}",
        "--steps=2",
        "--notensorboard",
    )
    assert code == 0 and "continuing from step 1" in err, err


# -- messages --------------------------------------------------------------------------------------------------------------------------


def test_a_checkpoint_in_the_place_of_a_run_directory_is_named_as_one(
    refused, trained, flags, tmp_path
):
    path = f"{trained.model_dir}/model.ckpt-60"
    told = f"{path}: is a checkpoint, not a run directory; name its folder, {trained.model_dir}"
    assert told in refused(
        2, "train", f"--model_dir={tmp_path / 'run'}", *flags, f"--init_from={path}"
    )
    assert told in refused(2, "train", f"--model_dir={path}", *flags)
    assert told in refused(2, "evaluate", f"--model_dir={path}")
    assert told in refused(2, "predict", f"--model_dir={path}", "a.png")
    assert not (tmp_path / "run").exists()


def test_a_link_to_nothing_is_named_as_one(refused, trained, flags, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    told = f"{tmp_path}/link: is a link to {tmp_path}/gone, which does not exist; make that folder, or choose another --"
    assert told + "model_dir" in refused(2, "train", f"--model_dir={tmp_path / 'link'}", *flags)
    assert told + "model_dir" in refused(
        2, "train", f"--model_dir={tmp_path / 'link' / 'run'}", *flags
    )
    assert told + "report" in refused(
        2, "evaluate", f"--model_dir={trained.model_dir}", f"--report={tmp_path / 'link'}"
    )


def test_a_config_that_cannot_be_read_is_not_called_damaged(refused, run):
    (run / "config.json").unlink()
    os.mkfifo(run / "config.json")  # it would be waited for
    for arguments in (["evaluate"], ["train", "--dataset=npz", "--data_dir=x"]):
        line = refused(2, *arguments, f"--model_dir={run}")
        assert f"{run}/config.json: cannot be read (not a file); make it a readable file" in line


def test_a_byte_order_mark_in_config_json_is_skipped(command, trained, run):
    (run / "config.json").write_bytes(b"\xef\xbb\xbf" + (run / "config.json").read_bytes())
    assert command("evaluate", f"--model_dir={run}", "--json")[0] == 0
    assert np.isfinite(checkpoint.read_config(str(run)).learning_rate)
