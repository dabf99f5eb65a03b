"""The flags of `mtl evaluate`; what it measures is in tests/end_to_end."""

import csv
import json
import shlex
import sys

import numpy as np
import pytest
from html_check import tree
from PIL import Image

from mtl import config
from mtl.data import npz
from mtl.data.examples import Examples


@pytest.mark.parametrize(
    "flag, named",
    [
        ("--split=tset", "split"),
        ("--dataset=mnist", "dataset"),
        ("--count=0", "count"),
        ("--views=3", "views"),
        ("--difficulty=2", "difficulty"),
        ("--json=perhaps", "json"),
        ("extra", "'extra'"),
    ],
)
def test_a_bad_flag_is_named(refused, flag, named):
    assert named in refused(1, "evaluate", "--model_dir=x", flag)


def test_model_dir_is_required(refused):
    assert "--model_dir" in refused(1, "evaluate")


def test_synthetic_has_neither_a_folder_nor_a_third_part(refused):
    assert "--data_dir=photos" in refused(
        1, "evaluate", "--model_dir=x", "--dataset=synthetic", "--data_dir=photos"
    )
    assert "--split=extra" in refused(
        1, "evaluate", "--model_dir=x", "--dataset=synthetic", "--split=extra"
    )


def test_a_missing_run_is_named(refused, tmp_path):
    assert str(tmp_path / "nowhere") in refused(
        2, "evaluate", f"--model_dir={tmp_path / 'nowhere'}"
    )


# -- the report -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def five(network, monkeypatch, tmp_path):
    """Return the flags that evaluate the fake network on five pictures, two of which it reads wrong."""
    from mtl import run_files

    monkeypatch.setattr(run_files, "read_config", lambda model_dir: config.Config())
    images = np.zeros((5, config.WINDOW, config.WINDOW, 3), np.uint8)
    images[..., 0] = np.array([7, 12, 210, 99, 3])[:, None, None]
    (tmp_path / "data").mkdir()
    npz.save(
        str(tmp_path / "data" / "validation.npz"),
        Examples(images, ["7", "17", "210", "9", "3"], list("abcde")),
    )
    return [
        "--model_dir=run",
        "--dataset=npz",
        f"--data_dir={tmp_path / 'data'}",
        "--split=validation",
    ]


def test_a_report_holds_what_is_printed(five, command, tmp_path):
    directory = tmp_path / "reports" / "first"
    code, out, err = command("evaluate", *five, "--json", f"--report={directory}")
    assert (code, err) == (0, "") and json.loads(out)["sequence_accuracy"] == 0.6
    assert (directory / "metrics.json").read_text() == out
    rows = list(csv.reader((directory / "mistakes.csv").read_text().splitlines()))
    assert [row[:3] for row in rows[1:]] == [["b", "17", "12"], ["d", "9", "99"]]
    assert [float(row[3]) for row in rows[1:]] == pytest.approx([0.9**3] * 2)
    assert {path.suffix for path in directory.iterdir()} == {".csv", ".json", ".png", ".html"}
    assert command("evaluate", *five)[1].startswith("npz, validation, step 30\n")


def page_of(directory):
    return tree((directory / "index.html").read_text(encoding="utf-8"))


def test_the_page_tells_of_the_run_and_how_it_is_made_again(five, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "flags.flags").write_text("--bottom=mlp\n")
    (tmp_path / "run" / "versions.json").write_text('{"numpy": "0.1"}')
    rows = [{"step": step, "sequence_accuracy": 0.25} for step in (10, 30)]
    (tmp_path / "run" / "metrics.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows) + "["
    )
    code, _, err = command("evaluate", *five, "--report=a b")
    assert (code, err) == (0, "")
    got = page_of(tmp_path / "a b")
    assert (
        got.one("h1").text == "run on npz, validation, step 30"
        and "60.00%" in got.one("header").text
    )
    part = got.one("section", id="run")
    assert (
        part.one("pre").text == "--bottom=mlp"
        and "metrics.jsonl, line 3, is damaged" in part.text
        and "0.1" in part.one("table").text
    )
    assert [row[:2] for row in got.one("section", id="training").all("table")[0].rows()[1:]] == [
        ["10", "25.00%"],
        ["30", "25.00%"],
    ]
    again, anew = (node.text for node in got.one("section", id="again").all("pre"))
    assert anew == "mtl train --flagfile=run/flags.flags --model_dir=runs/again"
    before = {path.name: path.read_bytes() for path in (tmp_path / "a b").iterdir()}
    program, *arguments = shlex.split(
        again.replace("\\ ", "")
    )  # what a shell does about a backslash at the end of a line
    assert program == "mtl" and command(*arguments)[0] == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "a b").iterdir()} == before


def test_the_page_of_the_packaged_network_says_what_it_lacks(network, command, tmp_path):
    assert (
        command(
            "evaluate",
            "--model_dir=pretrained",
            "--count=3",
            "--views=1",
            f"--report={tmp_path / 'report'}",
        )[0]
        == 0
    )
    got = page_of(tmp_path / "report")
    assert (
        "holds no metrics.jsonl" in got.text
        and "--steps=42000" in got.one("section", id="run").one("pre").text
    )
    assert not (tmp_path / "report" / "curves.csv").exists()


def test_a_hostile_file_name_is_text(network, command, tmp_path):
    name = "<img src=x onerror=alert(1)>.png"
    (tmp_path / "test").mkdir()
    Image.new("RGB", (64, 64), (12, 0, 0)).save(tmp_path / "test" / name)
    (tmp_path / "test" / "labels.csv").write_text(f"file,label\n{name},7\n")
    flags = [
        "--model_dir=pretrained",
        "--dataset=folder",
        f"--data_dir={tmp_path}",
        "--views=1",
        f"--report={tmp_path / 'report'}",
    ]
    assert command("evaluate", *flags)[0] == 0
    (picture,) = page_of(tmp_path / "report").one("section", id="mistakes").all("img")
    assert picture.attributes["alt"].endswith(f"{name}: true 7, read 12, confidence 0.729")


def test_without_matplotlib_there_is_a_page(five, command, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, _, err = command("evaluate", *five, f"--report={tmp_path / 'report'}")
    assert code == 0 and err.count("\n") == 1 and "pip install 'mtl[plot]'" in err
    assert len(page_of(tmp_path / "report").all("img")) == 2


@pytest.mark.parametrize(
    "of_the_run, flags, expected",
    [(1, [], 1), (4, [], 4), (4, ["--views=1"], 1), (1, ["--views=2"], 2)],
)
def test_as_many_views_are_averaged_as_the_run_says_or_the_flag(
    five, network, command, monkeypatch, of_the_run, flags, expected
):
    from mtl import checkpoint

    monkeypatch.setattr(
        checkpoint, "read_config", lambda model_dir: config.Config(views=of_the_run)
    )
    code, out, _ = command("evaluate", *five, *flags, "--json")
    assert code == 0 and json.loads(out)["examples"] == 5
    assert [len(crops) for crops in network.seen] == [5 * expected]


@pytest.mark.parametrize("flags, style", [([], "written"), (["--style=houses"], "houses")])
def test_drawn_pictures_are_of_the_style_of_the_run_or_the_flag(
    network, command, monkeypatch, flags, style
):
    from mtl import run_files
    from mtl.data import batches
    from mtl.data.drawn import synthetic

    monkeypatch.setattr(run_files, "read_config", lambda model_dir: config.Config(style="written"))
    assert command("evaluate", "--model_dir=run", "--count=3", *flags)[0] == 0
    np.testing.assert_array_equal(
        network.seen[0], batches.centre_crop(synthetic.examples("test", 3, style=style).images)
    )


@pytest.mark.parametrize("path", ["file", "file/below"])
def test_a_report_that_cannot_be_written_is_found_before_the_work(
    five, network, refused, tmp_path, path
):
    (tmp_path / "file").write_text("")
    line = refused(2, "evaluate", *five, f"--report={tmp_path / path}")
    assert f"{tmp_path / 'file'}: is no folder" in line and "--report" in line
    assert network.seen == []


def test_a_failed_evaluation_leaves_no_report(five, refused, tmp_path):
    assert "npz" in refused(
        2, "evaluate", *five[:-1], "--split=test", f"--report={tmp_path / 'report'}"
    )
    assert not (tmp_path / "report").exists()
