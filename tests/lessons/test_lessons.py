"""Each lesson is short and self-contained, and prints what its docstring says."""

import ast
import importlib
import inspect
import io
import pathlib
import re
import runpy
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import helpers
from mtl import answer, losses
from mtl.errors import UsageError
from mtl.lessons import __main__ as command
from mtl.tasks import NUMBER_TASKS

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATHS = {int(number): path for number, path in command.lessons().items()}
LINES = 140
SLOW_8 = pytest.param(8, marks=pytest.mark.slow)
NUMBER = r"\d+(\.\d+)?"


def load(number):
    return importlib.import_module(f"mtl.lessons.{PATHS[number].stem}")


def parse(number):
    return ast.parse(PATHS[number].read_text(encoding="utf-8"))


def documented_output(documented):
    """Return the lines that the docstring of a lesson or a solution shows below "It prints"."""
    block = re.search(r"It prints\b[^\n]*:\n\n((?: *\S.*(?:\n|$))+)", inspect.getdoc(documented))
    return textwrap.dedent(block[1]).splitlines()


def assert_as_documented(documented, output):
    """Compare an output with a docstring, where .. stands for any number."""
    lines = output.splitlines()
    expected = documented_output(documented)
    assert len(lines) == len(expected), output
    for line, pattern in zip(lines, expected):
        assert re.fullmatch(re.escape(pattern).replace(r"\.\.", NUMBER), line), (line, pattern)


def run_python(*arguments):
    """Run Python in a new process, in the root of the repository."""
    command_line = [sys.executable, *arguments]
    return subprocess.run(command_line, cwd=ROOT, capture_output=True, text=True, timeout=120)


# -- form ------------------------------------------------------------------------------------------


def test_there_are_eight_lessons():
    assert sorted(PATHS) == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("number", PATHS)
def test_lesson_is_short_and_ends_with_main_question_and_solution(number):
    assert len(PATHS[number].read_text(encoding="utf-8").splitlines()) <= LINES
    tree = parse(number)
    assert ast.get_docstring(tree).startswith(f"Lesson {number}: ")
    names = []
    for node in tree.body[:-1]:
        name = node.targets[0].id if isinstance(node, ast.Assign) else getattr(node, "name", None)
        if name in ("main", "QUESTION", "solution"):
            names.append(name)
    assert names == ["main", "QUESTION", "solution"]
    assert ast.unparse(tree.body[-1]) == "if __name__ == '__main__':\n    main()"
    assert load(number).QUESTION.endswith("?")


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
def test_first_six_lessons_import_only_tensorflow_numpy_and_the_core(number):
    nodes = ast.walk(parse(number))
    imports = [node for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert {ast.unparse(node) for node in imports} <= {
        "import os",
        "import tempfile",
        "import numpy as np",
        "import tensorflow.compat.v1 as tf",
        "from mtl import answer, losses",
        "from mtl.tasks import NUMBER_TASKS",
    }


# -- output ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, SLOW_8])
def test_lesson_prints_what_its_docstring_says(number, capsys):
    lesson = load(number)
    lesson.main()
    assert_as_documented(lesson, capsys.readouterr().out)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 7, SLOW_8])
def test_solution_prints_what_its_docstring_says(number, capsys):
    lesson = load(number)
    lesson.solution()
    assert_as_documented(lesson.solution, capsys.readouterr().out)


@pytest.mark.parametrize("number", PATHS)
def test_documented_solution_ends_with_an_answer_in_a_sentence(number):
    lines = documented_output(load(number).solution)
    first = [line.startswith("Answer: ") for line in lines].index(True)
    answer_lines = lines[first:]
    assert len(answer_lines) <= 2
    assert " ".join(answer_lines).endswith(".")


def test_lowest_cost_of_lesson_7_is_the_entropy_of_the_labels_of_training():
    total = 0.0
    for task in NUMBER_TASKS:
        with tf.Graph().as_default(), tf.Session() as session:
            labels = session.run(losses.smooth(tf.constant([0]), task.outputs, 0.1))
        total += np.log(-np.sum(labels * np.log(labels)))
    assert f"Answer: {total:.3f}, " in documented_output(load(7).solution)[0]


@pytest.mark.slow
def test_lesson_7_classifies_unseen_numbers_and_shows_no_progress_in_a_pipe(monkeypatch, capsys):
    lesson = load(7)
    draw = lesson.draw
    drawn = {}

    def recording_draw(split, count):
        drawn[split] = draw(split, count)
        return drawn[split]

    monkeypatch.setattr(lesson, "draw", recording_draw)
    lesson.main()
    captured = capsys.readouterr()
    assert_as_documented(lesson, captured.out)
    assert captured.err == ""
    train, test = drawn["train"][0], drawn["test"][0]
    assert (len(train), len(test)) == (3072, 500)
    seen = {image.tobytes() for image in train}
    assert not [image for image in test if image.tobytes() in seen]


def test_lesson_7_shows_progress_on_a_terminal(monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", terminal)
    load(7).draw("test", 3)
    assert "test: " in terminal.getvalue()
    assert "/3" in terminal.getvalue()


def build_and_run(cost, logits, labels):
    """Return the operation types of the graph of a cost, and its value."""
    with tf.Graph().as_default() as graph, tf.Session() as session:
        tensors = []
        for arrays in (logits, labels):
            tensors.append({name: tf.constant(array) for name, array in arrays.items()})
        value = session.run(cost(*tensors))
        return [operation.type for operation in graph.get_operations()], value


def test_cost_of_lesson_7_is_the_answers_graph_and_value():
    def lesson_cost(logits, labels):
        return load(7).cost(list(labels.values()), list(logits.values()))

    logits, labels = helpers.random_batch(np.random.default_rng(7), batch=5)
    expected = build_and_run(answer.cost, logits, labels)
    assert build_and_run(lesson_cost, logits, labels) == expected


@pytest.mark.parametrize("change", ["extra line", "another number", "missing line"])
def test_comparison_with_a_docstring_detects_a_change(change):
    lesson = load(7)
    lines = [line.replace("..", "12") for line in documented_output(lesson)]
    assert_as_documented(lesson, "\n".join(lines))
    changed = {
        "extra line": [*lines, "x"],
        "another number": [lines[0].replace("5.04", "5.05"), *lines[1:]],
        "missing line": lines[:-1],
    }
    with pytest.raises(AssertionError):
        assert_as_documented(lesson, "\n".join(changed[change]))


# -- command ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["--help"], ["3", "-h"]])
def test_command_lists_the_lessons(arguments, capsys):
    command.main(arguments)
    output = capsys.readouterr().out
    titles = re.findall(r"^  Lesson (\d): .*\(lesson\1_\w+\.py\)$", output, re.MULTILINE)
    assert [int(number) for number in titles] == list(PATHS)


def test_list_of_lessons_imports_no_tensorflow():
    program = (
        "import sys\n"
        "from mtl.lessons import __main__ as command\n"
        "command.main([])\n"
        "print('tensorflow' in sys.modules)\n"
    )
    done = run_python("-c", program)
    assert (done.returncode, done.stderr, done.stdout.splitlines()[-1]) == (0, "", "False")


@pytest.mark.parametrize(
    "arguments, what",
    [
        (["9"], "unknown lesson '9'"),
        (["x"], "unknown lesson 'x'"),
        (["3", "4"], "unknown lesson '3 4'"),
        (["3", "--solutions"], "unknown lesson '3 --solutions'"),
        (["--solution"], "no lesson number"),
    ],
)
def test_unknown_lesson_is_refused_with_the_cure(arguments, what):
    with pytest.raises(UsageError) as error:
        command.main(arguments)
    example = "python -m mtl.lessons 3 --solution"
    assert str(error.value) == f"{what}; choose 1 to 8, for example: {example}"


def test_usage_error_is_one_line_on_stderr_and_exit_code_1():
    done = run_python("-m", "mtl.lessons", "9")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("mtl.lessons: unknown lesson '9'; choose 1 to 8")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_command_runs_a_lesson_and_prints_its_question():
    done = run_python("-m", "mtl.lessons", "3")
    output, question = done.stdout.split("\n\nQuestion: ")
    assert (done.returncode, done.stderr, question) == (0, "", load(3).QUESTION + "\n")
    assert_as_documented(load(3), output)


def test_command_prints_the_question_and_runs_its_solution(capsys):
    command.main(["4", "--solution"])
    captured = capsys.readouterr()
    question, output = captured.out.split("\n\n", 1)
    assert question == f"Question: {load(4).QUESTION}"
    assert_as_documented(load(4).solution, output)
    assert captured.err == ""


def test_lesson_runs_as_a_script(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(PATHS[1].parent))  # as Python does for a script
    runpy.run_path(str(PATHS[1]), run_name="__main__")
    assert_as_documented(load(1), capsys.readouterr().out)
