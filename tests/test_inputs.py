"""mtl.inputs: what a network takes, and the records that describe it."""

import json

import pytest

from helpers import one_line
from mtl import inputs
from mtl.inputs import Inputs

TABLE = Inputs((2,), 0, "float32", ("x", "y"), (0.5, -3.0), (2.0, 0.25))


def test_the_default_is_the_images_of_numbers():
    assert inputs.NUMBERS.is_images
    assert inputs.NUMBERS.network_shape == (54, 54, 3)


def test_without_a_crop_the_network_takes_the_whole_example():
    assert Inputs((9, 13, 1), 0).network_shape == (9, 13, 1)
    assert TABLE.network_shape == (2,) and not TABLE.is_images


@pytest.mark.parametrize("one", [inputs.NUMBERS, Inputs((9, 13, 1), 0, "float32"), TABLE])
def test_json_round_trip(one):
    assert inputs.from_json(json.loads(json.dumps(inputs.to_json(one)))) == one


@pytest.mark.parametrize(
    "wrong, message",
    [
        (Inputs((9, 13), 0), "must be [height, width, channels] or [features]"),
        (Inputs((9, 0, 1), 0), "must be [height, width, channels] or [features]"),
        (Inputs((True,), 0, "float32"), "must be [height, width, channels] or [features]"),
        (Inputs((4,), 0), "inputs of type uint8 must be uint8 images, or float32"),
        (Inputs((9, 13, 1), 0, "int16"), "inputs of type int16"),
        (Inputs((9, 13, 4), 0), "images have 4 channels; use 1 (grey) or 3 (RGB)"),
        (Inputs((4,), 3, "float32"), "--crop=3 does not apply to feature vectors; remove it"),
        (Inputs((9, 13, 1), 10), "--crop=10 does not fit images of 9 x 13 pixels; use --crop=9"),
        (TABLE._replace(names=("x",)), "1 names for inputs of shape [2]"),
        (TABLE._replace(mean=(0.0,)), "1 mean for inputs of shape [2]"),
        (TABLE._replace(mean=(0.0, float("nan"))), "the scale of a feature is nan"),
        (TABLE._replace(std=(1.0, 0.0)), "a standard deviation above 0"),
        (TABLE._replace(std=()), "a standard deviation above 0"),
    ],
)
def test_inputs_that_no_network_takes_are_refused(wrong, message):
    with pytest.raises(ValueError) as error:
        inputs.check(wrong)
    one_line(error, message)
