"""`mtl explain` as a user types it."""

import pathlib
import re
import xml.etree.ElementTree as ElementTree

import html_check
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_image_in_the_readme_is_the_diagram(command):
    code, out, err = command("explain", "--format=svg")
    assert (code, err) == (0, "")
    image = (ROOT / ".readme" / "network.svg").read_text(encoding="utf-8")
    assert out == image, "write it again: mtl explain --format=svg > .readme/network.svg"
    assert "](.readme/network.svg)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_default_is_one_screen_of_text_on_stdout(command):
    code, out, err = command("explain", "--bottom=mlp", "--objective=linear")
    assert (code, err) == (0, "")
    assert out.startswith("mlp, linear: ") and "losses.py:" in out
    assert out.count("\n") <= 40 and "--all" in out


def test_all_lists_every_operation(command):
    code, out, err = command("explain", "--bottom=mlp", "--all")
    assert (code, err) == (0, "")
    total = int(re.match(r"mlp, log_sum: ([\d,]+) operations", out)[1].replace(",", ""))
    listed = out.split("2. Operations")[1]
    assert len(re.findall(r"(?m)^ +(?:forward|gradient|update) +\S+  \S+", listed)) == total


def test_flagfile_selects_the_graph_and_needs_no_data(command):
    flagfile = ROOT / "flags" / "cheques.flags"
    code, out, _ = command("explain", f"--flagfile={flagfile}", "--format=dot")
    assert code == 0 and out.startswith("digraph mtl {") and '"shared/conv6"' in out


def test_out_names_the_file(command, tmp_path):
    path = tmp_path / "graph.svg"
    code, out, _ = command("explain", "--bottom=mlp", "--format=svg", f"--out={path}")
    assert code == 0 and out.startswith(f"{path}: ") and out.endswith(" operations\n")
    ElementTree.parse(path)


def test_page_holds_real_steps_and_its_command(command, tmp_path):
    path = tmp_path / "graph.html"
    small = ["--bottom=mlp", "--batch_size=3", "--pool=16", "--workers=1"]
    code, _, err = command("explain", *small, "--format=html", "--step=2", f"--out={path}")
    assert (code, err) == (0, "")
    page = html_check.tree(path.read_text(encoding="utf-8"))
    assert len(html_check.data(page)["steps"]) == 2
    shown = page.one("pre").text
    assert shown.startswith("mtl explain ") and "--step=2" in shown


def test_terminal_shows_each_phase_and_a_bar_from_the_first_step(command, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    small = ["--bottom=mlp", "--batch_size=3", "--pool=16", "--workers=1"]
    path = tmp_path / "graph.html"
    code, _, err = command("explain", *small, "--format=html", "--step=2", f"--out={path}")
    assert code == 0
    notices = ["building the graph ...", "drawing images of validation ..."]
    assert err.startswith("\n".join([*notices, "drawing 16 images of train ...", "\r  0%|"]))
    assert "0/2 [" in err


def test_page_is_not_written_to_a_terminal(refused, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert "name a file: --out=graph.html" in refused(1, "explain", "--format=html")


STEP = ["--format=html", "--step=1"]


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--step=3"], "--step=3 does not work with --format=text; use --format=html"),
        (["--all", "--format=html"], "--all does not work with --format=html; use --format=text"),
        (["--format=html", "--step=201"], "--step"),
        (["--format=png"], "--format"),
        (["--bottom=smal"], "--bottom=smal must be one of mlp, small, base, paper"),
        (["--pool=9"], "--pool=9 must be a multiple of --reuse=8"),
        (["svg"], "unexpected argument 'svg'"),
        ([*STEP, "--dataset=svhn"], "--data_dir is required"),
    ],
)
def test_invalid_flags_are_refused_by_the_check_alone(refused, flags, message):
    assert message in refused(1, "explain", *flags, "--only_check_args")


def test_unwritable_out_is_refused_before_the_work(refused, tmp_path):
    assert "--out" in refused(2, "explain", f"--out={tmp_path}/none/graph.txt")
    assert "--out" in refused(2, "explain", f"--out={tmp_path}")


def test_missing_start_weights_are_named(refused, tmp_path):
    flags = ["--bottom=mlp", *STEP, f"--out={tmp_path}/graph.html", f"--init_from={tmp_path}/none"]
    assert f"{tmp_path}/none" in refused(2, "explain", *flags)
    assert not list(tmp_path.iterdir())
