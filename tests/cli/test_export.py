"""`mtl export` as a user types it. The models are compared with predict in tests/serving."""

import os
import re

import pytest

from mtl.cli import console
from mtl.serving import formats
from tests import new_runs

OUT = "--out=exported"
RUN = "--model_dir=run"


@pytest.mark.parametrize(
    "flags, message",
    [
        (
            [OUT],
            "--model_dir is required; name a run, such as --model_dir=runs/mine, or pretrained",
        ),
        ([RUN], "--out is required; name a folder for the model: --out=runs/exported"),
        ([RUN, OUT, "--format=savedmodel"], "--format"),
        (
            [RUN, OUT, "--quantize=int8"],
            "--quantize=int8 does not work with --format=saved_model; use --format=tflite",
        ),
        (
            [RUN, OUT, "--format=onnx", "--quantize=float16"],
            "--quantize=float16 does not work with --format=onnx; use --format=tflite",
        ),
        ([RUN, OUT, "--format=tflite", "--quantize=int4"], "--quantize"),
        ([RUN, OUT, "--data_dir=d"], "--data_dir=d applies only to --quantize=int8; add it"),
        ([RUN, OUT, "--temperature=0"], "--temperature=0"),
        ([RUN, OUT, "--views=3"], "--views=3 must be one of 1, 2, 4"),
        ([RUN, OUT, "more"], "unexpected argument 'more'"),
    ],
)
def test_invalid_flags_are_refused_by_the_check_alone(refused, flags, message):
    assert message in refused(1, "export", *flags, "--only_check_args")


def test_valid_flags_are_accepted_without_reading_a_file(command):
    for name in formats.NAMES:
        for quantize in formats.quantizations(name):
            flags = [RUN, OUT, f"--format={name}", f"--quantize={quantize}", "--only_check_args"]
            assert command("export", *flags) == (0, "", "")


def test_help_lists_all_formats(command):
    code, out, err = command("export", "--help")
    assert (code, err) == (0, "")
    for name in formats.NAMES:
        assert re.search(rf"(?m)^ +{name}: \w", out), name


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The path of a run of numbers and one of own tasks."""
    folder = tmp_path_factory.mktemp("runs")
    return {
        name: new_runs.write(folder / name, getattr(new_runs, name))
        for name in ("NUMBERS", "FEATURES")
    }


@pytest.mark.slow
def test_prints_the_file_its_size_and_its_signatures(command, runs, tmp_path):
    out = tmp_path / "out"
    code, text, err = command("export", f"--model_dir={runs['FEATURES']}", f"--out={out}")
    assert (code, err) == (0, "")
    first, *others = text.splitlines()
    assert re.fullmatch(rf"{out}/1/saved_model\.pb: step {new_runs.STEP}, \d+ KB", first)
    (line,) = others
    assert line.startswith("  serving_default: features float32 [n, 3] -> shade_class int64 [n], ")
    assert sorted(os.listdir(out / "1")) == ["mtl.json", "saved_model.pb"]


@pytest.mark.slow
def test_views_and_temperature_follow_the_run_or_the_flags(command, runs, tmp_path):
    from mtl.serving.export import write

    seen = []
    flags = [f"--model_dir={runs['NUMBERS']}", f"--out={tmp_path}/out", "--format=frozen"]

    def record(frozen, out, format, **settings):
        seen.append((settings["count"], settings["temperature"]))
        return write.Written(out, 1, {})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "write", record)
        for more in ([], ["--views=2", "--temperature=2"]):
            assert command("export", *flags, *more)[0] == 0
    assert seen == [(new_runs.VIEWS, new_runs.TEMPERATURE), (2, 2.0)]


@pytest.mark.slow
def test_a_terminal_shows_each_phase(command, runs, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    flags = [f"--model_dir={runs['FEATURES']}", f"--out={tmp_path}/out", "--format=frozen"]
    code, _, err = command("export", *flags)
    assert code == 0
    assert err.splitlines() == ["restoring the network ...", "writing frozen ..."]


@pytest.mark.slow
def test_what_cannot_be_read_or_written_is_named_and_nothing_is_left(refused, runs, tmp_path):
    run, out = runs["FEATURES"], tmp_path / "out"
    good = [f"--model_dir={run}", f"--out={out}"]
    assert f"{tmp_path}/none" in refused(2, "export", f"--model_dir={tmp_path}/none", good[1])
    line = refused(2, "export", *good, "--checkpoint=model.ckpt-99")
    assert "model.ckpt-99: no such checkpoint" in line
    line = refused(1, "export", *good, "--views=2")
    assert "--views=2 applies only to numbers" in line
    (tmp_path / "file").write_text("")
    line = refused(2, "export", good[0], f"--out={tmp_path}/file")
    assert "file: is not a folder; --out takes the name of a folder" in line
    line = refused(2, "export", good[0], f"--out={run}")
    assert "is a run directory; choose another folder" in line
    flags = ["--format=tflite", "--quantize=int8", f"--data_dir={tmp_path}/nowhere"]
    assert "nowhere" in refused(2, "export", *good, *flags)
    assert sorted(os.listdir(tmp_path)) == ["file"]


@pytest.mark.slow
def test_ctrl_c_leaves_nothing(command, runs, tmp_path, monkeypatch):
    def interrupted(exported, folder, options):
        raise KeyboardInterrupt

    monkeypatch.setattr(formats.find("frozen"), "write", interrupted)
    flags = [f"--model_dir={runs['FEATURES']}", f"--out={tmp_path}/out", "--format=frozen"]
    assert command("export", *flags) == (130, "", "mtl export: interrupted\n")
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_int8_takes_its_ranges_from_validation(command, runs, tmp_path, monkeypatch):
    asked = []

    def load(dataset, data_dir, split, **options):
        asked.append((dataset, data_dir, split, options["count"]))
        return type("Examples", (), {"inputs": new_runs.values(new_runs.NUMBERS.inputs)})

    monkeypatch.setattr(console, "load", load)
    flags = [f"--model_dir={runs['NUMBERS']}", f"--out={tmp_path}", "--format=tflite"]
    assert command("export", *flags, "--quantize=int8", "--views=1")[0] == 0
    assert asked == [("synthetic", "", "validation", 200)]
