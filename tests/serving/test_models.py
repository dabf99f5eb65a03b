"""mtl.serving.models: the network of a run as a model of the server."""

import os
import shutil

import numpy as np
import pytest

from mtl.errors import DataError
from mtl.inference import predictions
from mtl.inference.network import Network
from mtl.serving import models, outputs
from tests import new_runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["NUMBERS", "FEATURES"])
def run(request, tmp_path_factory):
    run = getattr(new_runs, request.param)
    return run, new_runs.write(tmp_path_factory.mktemp(request.param), run)


def opened(directory, **settings):
    found = models.source(directory, settings=models.Settings(**settings))
    return found.load(found.newest())


def test_model_of_a_run_predicts_as_the_command(run):
    run, directory = run
    model = opened(directory)
    inputs = new_runs.values(run.inputs)
    named = model.run(inputs)
    found = [outputs.prediction(named, index, run.tasks) for index in range(len(inputs))]
    views = run.config.views if run.config.is_numbers else 1
    with Network.open(directory) as network:
        settings = {"views": views, "temperature": run.temperature}
        expected = predictions.predictions(network, range(6), list(inputs), **settings)
    assert (model.version, model.views) == (new_runs.STEP, views)
    for one, other in zip(found, expected):
        if run.config.is_numbers:
            assert one["number"] == other["number"]
            np.testing.assert_allclose(one["digits"], other["digits"], rtol=1e-5)
        else:
            assert one["tasks"]["shade"]["class"] == other["tasks"]["shade"]["class"]
    for lane in model.lanes():
        again = lane(inputs)
        for name, rows in named.items():
            if name != "number":
                np.testing.assert_allclose(again[name], rows, rtol=1e-4, atol=1e-7, err_msg=name)
    model.close()


def test_settings_replace_those_of_the_run(tmp_path):
    directory = new_runs.write(tmp_path, new_runs.NUMBERS)
    inputs = new_runs.values(new_runs.NUMBERS.inputs)
    plain, sharp = opened(directory, views=1), opened(directory, views=1, temperature=0.1)
    assert plain.views == 1
    assert (sharp.run(inputs)["length"].max(axis=1) > plain.run(inputs)["length"].max(axis=1)).all()
    plain.close()
    sharp.close()


def test_newest_changes_with_a_newer_checkpoint(tmp_path):
    directory = new_runs.write(tmp_path / "run", new_runs.FEATURES)
    source = models.source(directory, "last")
    first = source.newest()
    assert source.newest() == first
    for name in os.listdir(directory):
        if name.startswith("model.ckpt-7"):
            shutil.copy(tmp_path / "run" / name, tmp_path / "run" / name.replace("-7", "-9"))
    state = (tmp_path / "run" / "checkpoint").read_text()
    (tmp_path / "run" / "checkpoint").write_text(state.replace("ckpt-7", "ckpt-9"))
    assert source.newest() != first
    model = source.load(source.newest())
    assert model.version == 9
    model.close()


def test_folder_without_a_run_is_an_error(tmp_path):
    with pytest.raises(DataError):
        models.source(str(tmp_path)).newest()


@pytest.mark.parametrize("name, views, sizes", [("NUMBERS", 4, 20), ("NUMBERS", 1, 20)])
def test_seen_are_the_views(name, views, sizes):
    run = getattr(new_runs, name)
    model = type("Model", (), {"inputs": run.inputs, "views": views})
    (window,) = new_runs.values(run.inputs, 1)
    found = models.seen(model, window)
    assert len(found) == views
    assert {each.shape for each in found} == {(sizes, sizes, 3)}
    np.testing.assert_array_equal(found[0], window[2:22, 2:22])


def test_seen_grey_and_float_images_are_shown_in_colour():
    for run in (new_runs.IMAGES, new_runs.FLOATS):
        model = type("Model", (), {"inputs": run.inputs, "views": 1})
        (window,) = new_runs.values(run.inputs, 1)
        (found,) = models.seen(model, window)
        assert found.dtype == np.uint8
        assert found.shape == (*run.inputs.network_shape[:2], 3)
