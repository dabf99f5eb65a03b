"""mtl.serving.signatures: names, types and shapes of each kind of network."""

from mtl import tasks
from mtl.inputs import NUMBERS, Inputs
from mtl.serving import signatures
from mtl.serving.signatures import Tensor


def test_numbers_have_encoded_images_and_pixels():
    found = signatures.of(tasks.NUMBER_TASKS, NUMBERS)
    assert list(found) == ["serving_default", "pixels"]
    assert found["serving_default"].input == Tensor("images", "string", ())
    assert found["pixels"].input == Tensor("pixels", "uint8", (64, 64, 3))
    assert found["pixels"].outputs == found["serving_default"].outputs
    assert [(each.name, each.shape) for each in found["pixels"].outputs] == [
        ("number", ()),
        ("confidence", ()),
        ("length", (7,)),
        ("digits", (5, 11)),
    ]


def test_other_tasks_have_the_outputs_of_their_kinds():
    own = tasks.parse("digit:10,height:real,tags:binary:3")
    found = signatures.of(own, Inputs((5,), 0, "float32"))
    assert list(found) == ["serving_default"]
    assert found["serving_default"].input == Tensor("features", "float32", (5,))
    assert found["serving_default"].outputs == (
        Tensor("digit_class", "int64", ()),
        Tensor("digit_probabilities", "float32", (10,)),
        Tensor("height_value", "float32", ()),
        Tensor("tags_labels", "int64", (3,)),
        Tensor("tags_probabilities", "float32", (3,)),
    )


def test_no_output_has_the_suffix_that_tensorflow_serving_encodes():
    # TensorFlow Serving gives an output whose name ends in _bytes as base64.
    own = tasks.parse("a:2,b:real,c:binary:2")
    for each in (*signatures.outputs_of(own), *signatures.outputs_of(tasks.NUMBER_TASKS)):
        assert not each.name.endswith("_bytes")
