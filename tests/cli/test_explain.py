"""`mtl explain` as a user types it."""

import functools
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

import html_check
import numpy as np
import pytest

from mtl.explain import lines

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_image_in_the_readme_is_the_diagram(command):
    code, out, err = command("explain", "--format=svg")
    assert (code, err) == (0, "")
    image = (ROOT / ".readme" / "network.svg").read_text(encoding="utf-8")
    assert out == image, "write it again: mtl explain --format=svg > .readme/network.svg"
    assert "](.readme/network.svg)" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_default_is_one_screen_of_text_on_stdout(command):
    code, out, err = command("explain", "--bottom=mlp", "--objective=linear")
    assert (code, err) == (0, "")
    assert out.startswith("mlp, linear: ") and "losses.py:" in out
    assert out.count("\n") <= 40 and "--all" in out


@pytest.mark.slow
def test_all_lists_every_operation(command):
    code, out, err = command("explain", "--bottom=mlp", "--all")
    assert (code, err) == (0, "")
    total = int(re.match(r"mlp, log_sum: ([\d,]+) operations", out)[1].replace(",", ""))
    listed = out.split("2. Operations")[1]
    assert len(re.findall(r"(?m)^ +(?:forward|gradient|update) +\S+  \S+", listed)) == total


@pytest.mark.slow
def test_flagfile_selects_the_graph_and_needs_no_data(command):
    flagfile = ROOT / "flags" / "cheques.flags"
    sizes = ["--window=40", "--crop=32"]
    code, out, _ = command("explain", f"--flagfile={flagfile}", "--format=dot", *sizes)
    assert code == 0 and out.startswith("digraph mtl {") and '"shared/conv6"' in out
    assert "image\\n32 x 32 x 3" in out


@pytest.mark.slow
def test_out_names_the_file(command, tmp_path):
    path = tmp_path / "graph.svg"
    code, out, _ = command("explain", "--bottom=mlp", "--format=svg", f"--out={path}")
    assert code == 0 and out.startswith(f"{path}: ") and out.endswith(" operations\n")
    ElementTree.parse(path)


@pytest.mark.slow
def test_page_holds_real_steps_and_its_command(command, tmp_path):
    path = tmp_path / "graph.html"
    small = ["--bottom=mlp", "--batch_size=3", "--pool=16", "--workers=1"]
    code, _, err = command("explain", *small, "--format=html", "--step=2", f"--out={path}")
    assert (code, err) == (0, "")
    page = html_check.tree(path.read_text(encoding="utf-8"))
    assert len(html_check.data(page)["steps"]) == 2
    shown = page.one("pre").text
    assert shown.startswith("mtl explain ") and "--step=2" in shown


@pytest.mark.slow
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
        (["--bottom=smal"], "--bottom=smal must be one of mlp, tiny, light, small, base, paper"),
        (["--pool=9"], "--pool=9 must be a multiple of --reuse=4"),
        (["svg"], "unexpected argument 'svg'"),
        ([*STEP, "--dataset=svhn"], "--data_dir is required"),
        (["--tasks=odd:2", "--dataset=npz"], "--data_dir is required with --dataset=npz"),
        (["--tasks=odd:2"], "--dataset=synthetic has only numbers, not the tasks odd:2"),
    ],
)
def test_invalid_flags_are_refused_by_the_check_alone(refused, flags, message):
    assert message in refused(1, "explain", *flags, "--only_check_args")


def test_unwritable_out_is_refused_before_the_work(refused, tmp_path):
    assert "--out" in refused(2, "explain", f"--out={tmp_path}/none/graph.txt")
    assert "--out" in refused(2, "explain", f"--out={tmp_path}")


@pytest.mark.slow
def test_missing_start_weights_are_named(refused, tmp_path):
    flags = ["--bottom=mlp", *STEP, f"--out={tmp_path}/graph.html", f"--init_from={tmp_path}/none"]
    assert f"{tmp_path}/none" in refused(2, "explain", *flags)
    assert not list(tmp_path.iterdir())


# -- your own tasks --------------------------------------------------------------------------------


SVG = "{http://www.w3.org/2000/svg}"
OWN_CODE = """
import tensorflow.compat.v1 as tf
from mtl import layers


def bottom(images, *, seed, **settings):
    flat = tf.reshape(images, [-1, 9 * 12])
    return tf.nn.relu(layers.dense(flat, "own", 5, seed=seed))


def squares(logits, labels, means):
    return tf.add_n([tf.square(mean) for mean in means.values()])
"""


@pytest.fixture
def own(tmp_path):
    """Return the flags of two tasks with data in tmp_path."""
    for split, count in (("train", 20), ("validation", 5)):
        rng = np.random.default_rng(count)
        images = rng.integers(0, 256, (count, 9, 12)).astype(np.uint8)
        odd = rng.integers(-1, 2, count).astype(np.int32)
        height = rng.normal(size=count).astype(np.float32)
        np.savez(tmp_path / f"{split}.npz", images=images, odd=odd, height=height)
    flags = ["--tasks=odd:2,height:real", "--dataset=npz", f"--data_dir={tmp_path}"]
    return [*flags, "--bottom=mlp", "--top_units=7"]


def test_own_tasks_have_the_inputs_of_their_data(command, own):
    code, out, err = command("explain", *own)
    assert (code, err) == (0, "")
    assert "image: 9 x 12 x 1, scaled to 0..1, mean subtracted" in out
    assert "tops: odd, height" in out and "kinds/real.py:" in out


@pytest.mark.slow
def test_page_of_own_tasks_holds_real_steps(command, own, tmp_path):
    path = tmp_path / "graph.html"
    flags = ["--batch_size=5", "--format=html", "--step=2", f"--out={path}"]
    code, _, err = command("explain", *own, *flags)
    assert (code, err) == (0, "")
    steps = html_check.data(html_check.tree(path.read_text(encoding="utf-8")))["steps"]
    assert [set(step["tasks"]) for step in steps] == [{"odd", "height"}] * 2
    assert steps[0]["unseen"]["of"] == 5


@pytest.mark.slow
def test_own_code_is_explained(command, own, tmp_path, monkeypatch):
    (tmp_path / "explained_code.py").write_text(OWN_CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    flags = ["--bottom=explained_code:bottom", "--objective=explained_code:squares"]
    code, out, err = command("explain", *own, *flags, "--format=svg")
    assert (code, err) == (0, "")
    words = [each.text for each in ElementTree.fromstring(out).iter(f"{SVG}text")]
    assert "f" in words and "f: the objective, a function of all losses" in words
    assert command("explain", *own, *flags)[0] == 0


# A learned scale, a state, a second forward pass, and gradients of each task.
@pytest.mark.slow
@pytest.mark.parametrize("name", ["uncertainty", "dwa", "famo", "gradnorm", "excess"])
def test_objectives_with_memory_are_explained(command, own, tmp_path, monkeypatch, name):
    page = tmp_path / "page.html"
    monkeypatch.setattr(lines, "explain", functools.cache(lines.explain))  # of one graph
    flags = [*own, f"--objective={name}", "--batch_size=5"]
    code, out, err = command("explain", *flags)
    assert (code, err) == (0, "") and out.startswith(f"mlp, {name}: ")
    assert command("explain", *flags, "--format=svg", f"--out={tmp_path / 'graph.svg'}")[0] == 0
    assert command("explain", *flags, "--format=html", "--step=1", f"--out={page}")[0] == 0
    assert f"file-objectives/{name}.py" in page.read_text(encoding="utf-8")


def test_bottom_that_needs_images_refuses_features(refused, own, tmp_path):
    features = np.zeros((20, 3), np.float32)
    labels = {"odd": np.arange(20, dtype=np.int32) % 2, "height": np.ones(20, np.float32)}
    np.savez(tmp_path / "train.npz", features=features, **labels)
    line = refused(1, "explain", *own, "--bottom=small")
    assert "takes images, but the inputs are vectors of 3 features; use --bottom=mlp" in line
