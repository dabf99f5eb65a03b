import dataclasses
import json
import os
import shutil

import pytest

from helpers import one_line
from mtl import model
from mtl.config import Config
from mtl.errors import DataError
from mtl.inputs import NUMBERS, Inputs
from mtl.runs import find


def write_config(directory, **fields):
    """Write the config.json of a run; return its path as str."""
    record = {"config": dataclasses.asdict(Config(**fields))}
    (directory / "config.json").write_text(json.dumps(record))
    return str(directory)


def message_of(function, *arguments, **options):
    """Return the message of the DataError that a call raises."""
    with pytest.raises(DataError) as error:
        function(*arguments, **options)
    return one_line(error)


def test_finds_best_last_or_a_path(directory):
    run = str(directory)
    assert find.checkpoint(run) == find.checkpoint(run, "best") == f"{run}/best/model.ckpt-3"
    assert find.checkpoint(run, "last") == f"{run}/model.ckpt-9"
    for suffix in ("", ".index", ".data-00000-of-00001"):
        which = f"{run}/model.ckpt-5{suffix}"
        assert find.checkpoint("elsewhere", which) == f"{run}/model.ckpt-5"


def test_best_is_the_newest_without_best_weights(directory):
    shutil.rmtree(directory / "best")
    assert find.checkpoint(str(directory)) == f"{directory}/model.ckpt-9"


@pytest.mark.parametrize("which", ["best", "last"])
def test_run_without_checkpoints(tmp_path, which):
    (tmp_path / "empty").mkdir()
    for path in (str(tmp_path / "empty"), str(tmp_path / "absent")):
        with pytest.raises(DataError) as error:
            find.checkpoint(path, which)
        one_line(error, path, "mtl train --model_dir=")


def test_path_without_a_checkpoint(directory):
    with pytest.raises(DataError) as error:
        find.checkpoint(str(directory), str(directory / "model.ckpt-6"))
    one_line(error, directory / "model.ckpt-6", "--checkpoint")
    with pytest.raises(DataError):
        find.checkpoint(str(directory), str(directory))


@pytest.mark.parametrize("name", ["model.ckpt-5", "best/model.ckpt-3"])
@pytest.mark.parametrize("suffix", ["", ".index"])
def test_checkpoint_given_as_run_directory(directory, name, suffix):
    path = f"{directory}/{name}{suffix}"
    what = f"{path}: is a checkpoint, not a run directory; use --model_dir={directory}"
    assert message_of(find.checkpoint, path) == f"{what} --checkpoint={directory}/{name}"
    assert message_of(find.check_is_run, path) == what


@pytest.mark.parametrize("end", ["", "/"])
def test_folder_of_the_best_weights_given_as_run_directory(directory, end):
    run = write_config(directory)
    message = message_of(find.directory, f"{run}/best{end}")
    assert message.startswith(f"{run}/best{end}: holds the best weights of a run")
    assert message.endswith(f"; use --model_dir={run}")


def test_run_directory_may_have_the_name_best(directory, tmp_path):
    run = write_config(shutil.copytree(directory, tmp_path / "best"))
    assert find.directory(run) == run
    assert find.directory(str(tmp_path / "missing" / "best")) == str(tmp_path / "missing" / "best")


def test_path_that_is_no_checkpoint_names_one(directory):
    run = str(directory)
    cases = {run: "9", "model.ckpt-5": "5", "best/model.ckpt-3.index": "3", "other": "1000"}
    for given, step in cases.items():
        message = message_of(find.checkpoint, run, given)
        assert message.startswith(f"{given}: no such checkpoint; --checkpoint takes best, last or")
        assert message.endswith(f"model.ckpt-{step}")


@pytest.mark.parametrize(
    "fields", [{"bottom": "base"}, {"absent": "mask"}, {"top_units": "7"}, {"brightness": "keep"}]
)
def test_checkpoint_of_a_run_with_another_network(directory, tmp_path, fields):
    ours = write_config(directory)
    other = write_config(shutil.copytree(directory, tmp_path / "other"), **fields)
    path = f"{other}/model.ckpt-5"
    (name, value) = next(iter(fields.items()))
    message = message_of(find.checkpoint, ours, path)
    what = f"its network has --{name}={value}, but {ours} has another"
    assert message.startswith(f"{path}: {what}")
    assert message.endswith(f"; use --model_dir={other} --checkpoint={path}")
    assert find.checkpoint(other, path) == path


# -- init_from -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given, name",
    [
        ("", "best/model.ckpt-3"),
        ("/", "best/model.ckpt-3"),
        ("/best", "best/model.ckpt-3"),
        ("/best/model.ckpt-3", "best/model.ckpt-3"),
        ("/model.ckpt-5", "model.ckpt-5"),
        ("/model.ckpt-5.index", "model.ckpt-5"),
    ],
)
def test_start_is_a_run_a_folder_or_a_checkpoint(directory, given, name):
    run = write_config(directory)
    found = find.start(Config(init_from=run + given))
    assert os.path.normpath(found) == f"{run}/{name}"
    message = message_of(find.start, Config(init_from=run + given, bottom="mlp"))
    what = "its network has --bottom=light, this run --bottom=mlp; use --bottom=light, or another"
    assert message == f"{run}{given}: {what} --init_from"


@pytest.mark.parametrize(
    "inputs, cure",
    [
        (Inputs((64, 64, 3), 0), "use --window=64 --crop=54, or another --init_from"),
        (Inputs((64, 64, 1), 54), "store the images in colour, or use another --init_from"),
        (Inputs((5,), 0, "float32"), "use another --init_from"),
    ],
)
def test_start_from_a_run_with_other_inputs_names_the_cure(directory, inputs, cure):
    config = Config(init_from=write_config(directory))
    message = message_of(find.start, config, inputs)
    shapes = f"[54, 54, 3], this run {list(inputs.network_shape)}"
    assert message == f"{config.init_from}: its network takes uint8 images {shapes}; {cure}"
    assert find.start(config, NUMBERS)


def test_start_without_a_run_around_it(directory):
    (directory / "config.json").unlink()
    config = Config(init_from=str(directory / "model.ckpt-9"), bottom="mlp")
    assert find.start(config) == config.init_from


def test_start_from_the_packaged_weights_needs_their_bottom():
    assert find.start(Config()) is None
    message = message_of(find.start, Config(init_from="pretrained"))
    assert message.startswith("pretrained: its network has --bottom=base, this run --bottom=light;")
    assert os.path.dirname(find.start(Config(init_from="pretrained", bottom="base"))) == (
        find.PACKAGED["pretrained"]
    )


def test_start_without_a_checkpoint(tmp_path):
    path = str(tmp_path / "model.ckpt-7")
    message = message_of(find.start, Config(init_from=path))
    assert message.startswith(f"{path}: no checkpoint here; --init_from takes pretrained, a run")


def test_incomplete_checkpoint(directory):
    data = directory / "model.ckpt-9.data-00000-of-00001"
    data.unlink()
    with pytest.raises(DataError) as error:
        find.checkpoint(str(directory), "last")
    one_line(error, directory / "model.ckpt-9", f"no file {data.name}", "--checkpoint")


def test_settings_of_the_network_decide_which_checkpoints_fit():
    assert set(find.NETWORK) == {"tasks", *model.network_settings(Config())}


def test_packaged_run_has_a_name():
    packaged = find.PACKAGED["pretrained"]
    assert find.directory("pretrained") == packaged
    assert find.directory("./pretrained") == "./pretrained"
    assert os.path.dirname(find.checkpoint("pretrained")) == packaged
