"""mtl.fields: hidden layers as text, and functions of the user."""

import sys

import pytest

from helpers import one_line
from mtl import fields
from mtl.errors import UsageError

CODE = '''"""Code of a user."""


def double(value, *, bias=0):
    return 2 * value + bias


def broken(value):
    return value["colour"]


def refuses(value):
    from mtl.errors import UsageError

    raise UsageError("choose another value")


number = 7
'''


@pytest.fixture(scope="module", autouse=True)
def on_the_path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("code")
    (folder / "code_of_a_user.py").write_text(CODE)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


def test_hidden_units_are_a_list_of_sizes():
    assert fields.hidden_units("") == ()
    assert fields.hidden_units("128,64") == (128, 64)


@pytest.mark.parametrize("text", ["0", "-3", "7,", "a", "1.5", "7;3", "\u0667", "9" * 9])
def test_other_hidden_units_are_refused(text):
    with pytest.raises(ValueError) as error:
        fields.hidden_units(text)
    one_line(error, f"--top_units={text} must be a list of sizes")


def test_only_module_and_function_name_a_function():
    assert fields.names_function("bottom", "my.code:build")
    assert not fields.names_function("bottom", "small")
    for wrong in (":", "a:", ":b", "a:b:c", "a b:c", "a/b:c", "a..b:c"):
        with pytest.raises(ValueError) as error:
            fields.names_function("bottom", wrong)
        one_line(error, f"bottom={wrong} does not name a function; write module:function")


def test_calls_the_function_of_the_user():
    assert fields.call_own("bottom", "code_of_a_user:double", 4, bias=1) == 9


@pytest.mark.parametrize(
    "name, message",
    [
        ("no_such_module:build", "cannot be imported (ModuleNotFoundError: No module named"),
        ("code_of_a_user:triple", "cannot be imported (AttributeError: module"),
        ("code_of_a_user:number", "is not a function; name one"),
        ("code_of_a_user:refuses", "choose another value"),
        ("code_of_a_user:double", "TypeError: double() missing 1 required positional argument"),
    ],
)
def test_a_faulty_function_is_one_line(name, message):
    arguments = [] if name.endswith("double") else [4]
    with pytest.raises(UsageError) as error:
        fields.call_own("bottom", name, *arguments)
    one_line(error, message)


def test_an_exception_in_the_function_names_its_line(on_the_path):
    with pytest.raises(UsageError) as error:
        fields.call_own("bottom", "code_of_a_user:broken", 4)
    file = on_the_path / "code_of_a_user.py"
    one_line(error, f"{file} line 9: TypeError: 'int' object is not subscriptable; correct")
