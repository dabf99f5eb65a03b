"""What the layout of the project promises: a small core, one TensorFlow, flags in one place, a light import, tests for every file."""

import ast
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "mtl").rglob("*.py"))

CORE = ("tasks", "layers", "bottoms", "model", "answer", "losses", "train", "config", "checkpoint")
CORE_WHERE_PRESENT = ("errors",)
CORE_STATEMENTS = 700
FILE_LINES = 300


def name_of(path):
    """Return mtl/data/svhn/reader.py for the path of that file: what a failing test shows."""
    return path.relative_to(ROOT).as_posix()


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"), name_of(path))


def core():
    """Return the paths of the core, by module name."""
    paths = {name: ROOT / "mtl" / f"{name}.py" for name in CORE + CORE_WHERE_PRESENT}
    return {name: path for name, path in paths.items() if name in CORE or path.exists()}


def imports(tree):
    """List the modules and members a file imports, as dotted names; "from a import b" is a.b."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, (
                f"line {node.lineno}: imports within the project are written in full"
            )
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def within(name, packages):
    return any(name == package or name.startswith(package + ".") for package in packages)


# The checks below, one function a promise, take a syntax tree and list what breaks the promise. Each is itself tested on code that does.


def other_tensorflow(tree):
    """List imports of TensorFlow in any other form than `import tensorflow.compat.v1 as tf`."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            text = ast.unparse(node)
            if (
                re.search(r"\b(tensorflow\w*|keras|tf_keras|tf_slim)\b", text)
                and text != "import tensorflow.compat.v1 as tf"
            ):
                found.append(text)
        elif isinstance(node, ast.Call) and re.search(
            r"(\bimport_module|__import__)$", ast.unparse(node.func)
        ):
            if re.search("tensorflow|keras|estimator", ast.unparse(node)):
                found.append(ast.unparse(node))
    return found


def high_level_or_unsafe(tree):
    """List uses of Keras, tf.layers, contrib, estimator, pickles, and of np.load that may open some; comments and docstrings are free."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.search(
            r"^tf\.(.*\.)?(keras|layers|contrib|estimator|flags|app)$", ast.unparse(node)
        ):
            found.append(ast.unparse(node))
        elif isinstance(node, ast.Name) and node.id in (
            "keras",
            "tf_keras",
            "contrib",
            "estimator",
            "pickle",
        ):
            found.append(node.id)
        elif (
            isinstance(node, ast.keyword)
            and node.arg == "allow_pickle"
            and ast.unparse(node.value) != "False"
        ):
            found.append(ast.unparse(node))
        elif isinstance(node, ast.Call) and re.fullmatch(
            r"(np|numpy)\.load", ast.unparse(node.func)
        ):
            # Said, though it is the default: a reader shall not have to know.
            found += [ast.unparse(node)] * (
                "allow_pickle=False" not in map(ast.unparse, node.keywords)
            )
    forbidden = r"\b(c?pickle|cloudpickle|dill|shelve|joblib|marshal|keras|numpy\.load)\b"
    return found + [name for name in imports(tree) if re.search(forbidden, name, re.I)]


def flag_use(tree):
    """List imports of absl.flags, and uses of a name FLAGS that the file has not given a value of its own."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "FLAGS"]
    own = any(isinstance(node.ctx, ast.Store) for node in names)
    return [f"FLAGS, line {node.lineno}" for node in names if not own] + [
        name for name in imports(tree) if within(name, ["absl.flags"])
    ]


@pytest.mark.parametrize(
    "check, code",
    [
        (other_tensorflow, "import tensorflow as tf"),
        (other_tensorflow, "import tensorflow.compat.v1"),
        (other_tensorflow, "import tensorflow.compat.v2 as tf"),
        (other_tensorflow, "def f():\n    from tensorflow import nn"),
        (other_tensorflow, "from tensorflow.compat import v1 as tf"),
        (other_tensorflow, "import importlib\nimportlib.import_module('tensorflow')"),
        (high_level_or_unsafe, "tf.layers.dense(x, 3)"),
        (high_level_or_unsafe, "y = tf.keras.layers.Dense(3)"),
        (high_level_or_unsafe, "tf.contrib.slim"),
        (high_level_or_unsafe, "tf.compat.v1.estimator.Estimator"),
        (high_level_or_unsafe, "from keras import layers"),
        (high_level_or_unsafe, "import pickle"),
        (high_level_or_unsafe, "from six.moves import cPickle"),
        (high_level_or_unsafe, "np.load(path, allow_pickle=True)"),
        (high_level_or_unsafe, "np.load(path)"),
        (high_level_or_unsafe, "np.load(path, None, True)"),
        (high_level_or_unsafe, "np.load(path, **options)"),
        (high_level_or_unsafe, "from joblib import load"),
        (high_level_or_unsafe, "import shelve"),
        (high_level_or_unsafe, "import marshal"),
        (high_level_or_unsafe, "import dill as safe"),
        (high_level_or_unsafe, "from numpy import load"),
        (high_level_or_unsafe, "np.load(path, allow_pickle=trusted)"),
        (flag_use, "from absl import app, flags"),
        (flag_use, "import absl.flags"),
        (flag_use, "from absl.flags import FLAGS"),
        (flag_use, "def f():\n    return FLAGS.steps"),
    ],
)
def test_the_checks_find_what_they_look_for(check, code):
    assert check(ast.parse(code))


def test_the_checks_leave_the_rest_alone():
    lines = [
        '"""No Keras, no pickle."""',
        "import tensorflow.compat.v1 as tf",
        "from mtl import layers",
        'layers.dense(tf.ones([1, 2]), "a", 3, seed=0)',
        "np.load(path, allow_pickle=False)",
        'FLAGS = "flags.flags"',
        "print(FLAGS, checkpoint.FLAGS)",
    ]
    tree = ast.parse("\n".join(lines))
    assert other_tensorflow(tree) == high_level_or_unsafe(tree) == flag_use(tree) == []


# -- the core --------------------------------------------------------------------------------------------------------------------------


def statements(tree):
    """Count the statements of a file; docstrings do not count."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    return sum(
        not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in found
    )


def test_the_core_has_at_most_700_statements():
    # Statements, not lines: a limit of lines is met by folding them.
    counts = {name: statements(parse(path)) for name, path in core().items()}
    assert sum(counts.values()) <= CORE_STATEMENTS, f"{sum(counts.values())} statements: {counts}"


def test_the_core_imports_nothing_beside_itself_tensorflow_numpy_and_absl():
    own = [f"mtl.{name}" for name in core()] + ["mtl.data.batches", "mtl.__version__"]
    allowed = [*sys.stdlib_module_names, "tensorflow.compat.v1", "numpy", "absl", *own]
    strange = {
        name_of(path): [name for name in imports(parse(path)) if not within(name, allowed)]
        for path in core().values()
    }
    assert {path: names for path, names in strange.items() if names} == {}


def test_the_parts_without_tensorflow_import_none():
    for name in ("tasks", "config", "errors"):
        assert not [
            found for found in imports(parse(core()[name])) if within(found, ["tensorflow"])
        ], name


# -- all of mtl/ -----------------------------------------------------------------------------------------------------------------------


def broken(check, paths):
    """Return the files in which a check finds something, and what."""
    found = {name_of(path): check(parse(path)) for path in paths}
    return {path: uses for path, uses in found.items() if uses}


def test_tensorflow_is_imported_in_one_form():
    assert broken(other_tensorflow, SOURCES) == {}


def test_no_keras_no_layers_no_contrib_no_estimator_no_pickles():
    assert broken(high_level_or_unsafe, SOURCES) == {}


def test_flags_are_read_in_the_commands_alone():
    assert broken(flag_use, [path for path in SOURCES if path.parent != ROOT / "mtl" / "cli"]) == {}


def test_no_file_is_longer_than_300_lines():
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {path: count for path, count in lines.items() if count > FILE_LINES} == {}


LIGHT = ("mtl", "mtl.tasks", "mtl.config", "mtl.data.registry", "mtl.cli.main")


def test_what_commands_import_to_check_flags_imports_no_tensorflow():
    # One process for all: each import is followed by a look at what came with it.
    program = (
        "import importlib, sys\n"
        f"for name in {LIGHT}:\n"
        "    try:\n"
        "        importlib.import_module(name)\n"
        "    except ImportError as error:\n"
        "        print(name, 'cannot be imported:', error)\n"
        "    heavy = {'tensorflow', 'keras'} & set(sys.modules)\n"
        "    if heavy:\n"
        "        print(name, 'imports', heavy)\n"
        "        break\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.returncode) == ("", 0), done.stdout + done.stderr


def test_every_file_has_its_tests():
    # mtl/x.py: tests/test_x.py; mtl/data/x.py: tests/data/test_x.py or tests/test_data_x.py; the lessons have one test for all.
    missing = []
    for path in SOURCES:
        if path.stem in (
            "__init__",
            "__main__",
            "make_glyphs",
        ):  # the last needs fonts; what it made is held by test_glyphs.py
            continue
        *package, name = path.relative_to(ROOT / "mtl").with_suffix("").parts
        name = re.sub(r"^lesson\d_.*", "lessons", name)
        homes = [
            pathlib.Path("tests", *package, f"test_{name}.py"),
            pathlib.Path("tests", "test_" + "_".join([*package, name]) + ".py"),
        ]
        if not any((ROOT / home).exists() for home in homes):
            missing.append(f"{name_of(path)} wants {homes[0].as_posix()}")
    assert not missing, "\n".join(["no tests of:", *missing])


def test_the_answer_is_attributed_in_its_file():
    text = ast.get_docstring(parse(ROOT / "mtl" / "answer.py"))
    for part in (
        "xtt",
        "thetna",
        '"Multitask deep learning with Tensorflow"',
        "Stack Overflow",
        "2016",
        "CC BY-SA 3.0",
        "https://creativecommons.org/licenses/by-sa/3.0/",
        "under the same licence",
        "Changes:",
    ):
        assert part in text, part


# -- BUILD.md --------------------------------------------------------------------------------------------------------------------------


def test_the_tests_that_the_table_of_promises_names_are_there():
    text = (
        (ROOT / "BUILD.md").read_text(encoding="utf-8").split("## Reliability")[1].split("###")[0]
    )
    named, path = [], None
    for file, name in re.findall(r"`(tests/[\w/]+\.py)?::(test_\w+)`", text):
        path = file or path
        named.append((path, name))
    assert len(named) >= 15
    for path, name in named:
        assert any(
            isinstance(node, ast.FunctionDef) and node.name == name
            for node in parse(ROOT / path).body
        ), f"{path}::{name}"
