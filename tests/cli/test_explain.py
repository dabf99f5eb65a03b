"""`mtl explain` as a user types it."""

import pathlib
import xml.etree.ElementTree as ElementTree

import html_check

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_the_picture_in_the_readme_is_what_the_command_writes(command):
    code, out, err = command("explain", "--format=svg")
    assert (code, err) == (0, "")
    assert out == (ROOT / ".readme" / "network.svg").read_text(encoding="utf-8"), (
        "mtl explain --format=svg > .readme/network.svg"
    )
    assert "](.readme/network.svg)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_text_is_the_default_and_goes_to_stdout(command):
    code, out, err = command("explain", "--bottom=mlp", "--objective=linear")
    assert (code, err) == (0, "") and out.startswith("mlp, linear: ") and "losses.py:" in out


def test_a_flagfile_of_a_run_says_what_the_graph_is(command):
    code, out, _ = command("explain", f"--flagfile={ROOT}/flags/cheques.flags", "--format=dot")
    assert (
        code == 0 and out.startswith("digraph mtl {") and '"shared/conv6"' in out
    )  # and no data was asked for


def test_out_names_a_file(command, tmp_path):
    path = tmp_path / "graph.svg"
    code, out, _ = command("explain", "--bottom=mlp", "--format=svg", f"--out={path}")
    assert code == 0 and out.startswith(f"{path}: ") and out.endswith(" operations\n")
    ElementTree.parse(path)


def test_a_page_with_real_steps(command, tmp_path):
    path = tmp_path / "graph.html"
    small = ["--bottom=mlp", "--batch_size=3", "--pool=16", "--workers=1"]
    code, _, err = command("explain", *small, "--format=html", "--step=2", f"--out={path}")
    assert (code, err) == (0, "")
    tree = html_check.tree(path.read_text(encoding="utf-8"))
    assert len(html_check.data(tree)["steps"]) == 2
    assert (
        tree.one("pre").text.split(" \\ ")[0] == "mtl explain"
        and "--step=2" in tree.one("pre").text
    )


def test_a_page_is_not_thrown_at_a_terminal(refused, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert "say where to write it: --out=graph.html" in refused(1, "explain", "--format=html")


def test_what_is_wrong_is_said_in_one_line(refused, tmp_path):
    assert "--step=3 is for --format=html" in refused(1, "explain", "--step=3")
    assert "--step" in refused(1, "explain", "--format=html", "--step=201")
    assert "--format" in refused(1, "explain", "--format=png")
    assert "--bottom" in refused(1, "explain", "--bottom=smal")
    assert "unexpected argument 'svg'" in refused(1, "explain", "svg")
    assert "no such folder for --out" in refused(2, "explain", f"--out={tmp_path}/none/graph.txt")
    assert "is a folder; --out" in refused(2, "explain", f"--out={tmp_path}")
    assert "--data_dir is required" in refused(
        1, "explain", "--dataset=svhn", "--format=html", "--step=1"
    )
    assert "must be a multiple of" in refused(1, "explain", "--format=html", "--step=1", "--pool=9")


def test_weights_that_are_not_there_are_named(refused, tmp_path):
    wanted = ["--bottom=mlp", "--format=html", "--step=1", f"--out={tmp_path}/graph.html"]
    said = refused(2, "explain", *wanted, f"--init_from={tmp_path}/none")
    assert f"{tmp_path}/none" in said and not list(tmp_path.iterdir())
