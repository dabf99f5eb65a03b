"""mtl.serving.formats: what every format has."""

import subprocess
import sys

import pytest

from mtl import fields
from mtl.serving import formats


@pytest.mark.parametrize("name", formats.NAMES)
def test_a_format_has_all_names(name):
    found = formats.find(name)
    assert found.FORMAT == name
    assert found.FILE.startswith(("model.", "saved_model."))
    assert found.TEXT in (True, False)
    assert callable(found.write)
    assert formats.quantizations(name)[0] == "none"
    assert fields.summary(formats.FILES[name])


def test_the_default_is_a_format_with_text():
    assert formats.find(formats.DEFAULT).TEXT
    assert {"saved_model", "tflite", "onnx", "frozen"} <= set(formats.NAMES)


def test_help_does_not_load_tensorflow():
    code = "import sys; from mtl.serving import formats; "
    code += "[formats.find(name) for name in formats.NAMES]; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
