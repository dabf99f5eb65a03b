"""mtl.serving.calls: both protocols make the same call of the same request."""

import json

import numpy as np

from mtl import tasks
from mtl.inputs import Inputs
from mtl.serving import rest, signatures, v2

SIGNATURES = signatures.of(tasks.parse("a:2"), Inputs((3,), 0, "float32"))


def test_both_protocols_make_the_same_call():
    rows = [[1.0, 2.5, -3.0], [4.0, 5.0, 6.0]]
    one = rest.parse(json.dumps({"instances": rows}).encode(), SIGNATURES, 9)
    tensor = {"name": "features", "shape": [2, 3], "datatype": "FP32", "data": rows}
    two = v2.parse(json.dumps({"inputs": [tensor]}).encode(), None, SIGNATURES, 9)
    assert one.signature == two.signature == "serving_default"
    assert one.examples.dtype == two.examples.dtype == np.float32
    np.testing.assert_array_equal(one.examples, two.examples)
    assert one.form != two.form
