import os
import shutil

import pytest

from helpers import one_line
from mtl.errors import DataError
from mtl.runs import find


def test_finds_best_last_or_a_path(directory):
    run = str(directory)
    assert find.checkpoint(run) == find.checkpoint(run, "best") == f"{run}/best/model.ckpt-3"
    assert find.checkpoint(run, "last") == f"{run}/model.ckpt-9"
    for which in (f"{run}/model.ckpt-5", f"{run}/model.ckpt-5.index"):
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


@pytest.mark.parametrize("suffix", ["", ".index"])
def test_checkpoint_given_as_run_directory(directory, suffix):
    path = f"{directory}/model.ckpt-5{suffix}"
    with pytest.raises(DataError) as error:
        find.checkpoint(path)
    cure = f"name its folder, {directory}"
    one_line(error, f"{path}: is a checkpoint, not a run directory; {cure}")


def test_incomplete_checkpoint(directory):
    data = directory / "model.ckpt-9.data-00000-of-00001"
    data.unlink()
    with pytest.raises(DataError) as error:
        find.checkpoint(str(directory), "last")
    one_line(error, directory / "model.ckpt-9", f"no file {data.name}", "--checkpoint")


def test_packaged_run_has_a_name():
    packaged = find.PACKAGED["pretrained"]
    assert find.directory("pretrained") == packaged
    assert find.directory("./pretrained") == "./pretrained"
    assert os.path.dirname(find.checkpoint("pretrained")) == packaged
