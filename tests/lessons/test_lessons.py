"""The lessons print what their docstrings say they print; each is short, asks a question and solves it; the command runs them."""

import ast
import importlib
import inspect
import io
import pathlib
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import helpers
from mtl import answer
from mtl.lessons import __main__ as command

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATHS = {int(number): path for number, path in command.lessons().items()}
LINES = 80


def load(number):
    return importlib.import_module(f"mtl.lessons.{PATHS[number].stem}")


def predicted(documented):
    """Return what the docstring of a lesson or solution says it prints: an indented block, or a word at the end of a line."""
    text = inspect.getdoc(documented)
    block = re.search(r"It prints\b[^\n]*:\n\n((?: {4}.*(?:\n|$))+)", text)
    return (
        textwrap.dedent(block[1]).splitlines()
        if block
        else [re.search(r"It prints: (\S+)\.$", text)[1]]
    )


def assert_as_predicted(documented, output):
    """Hold lines against the docstring of `documented`, where .. stands for a number that differs from machine to machine."""
    lines = output.splitlines()
    for line, expected in zip(lines, predicted(documented)):
        assert re.fullmatch(re.escape(expected).replace(r"\.\.", r"\d+(\.\d+)?"), line), (
            f"{line!r}, predicted {expected!r}"
        )
    assert len(lines) == len(predicted(documented)), output


def user(*arguments):
    """Run Python as a user types it, from the root of the repository."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


# -- their form ------------------------------------------------------------------------------------------------------------------------


def test_there_are_seven():
    assert sorted(PATHS) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("number", PATHS)
def test_a_lesson_is_short_and_has_its_parts_in_order(number):
    text = PATHS[number].read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) <= LINES
    assert ast.get_docstring(tree).startswith(f"Lesson {number}: ")
    names = [
        node.targets[0].id if isinstance(node, ast.Assign) else getattr(node, "name", "")
        for node in tree.body
    ]
    assert (
        names[-4:] == ["main", "QUESTION", "solution", ""]
        and ast.unparse(tree.body[-1]) == "if __name__ == '__main__':\n    main()"
    )
    assert load(number).QUESTION.endswith("?")


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
def test_the_first_six_need_tensorflow_and_numpy_alone(number):
    tree = ast.parse(PATHS[number].read_text(encoding="utf-8"))
    imports = {
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    own = {
        "from mtl import answer, losses",
        "from mtl.tasks import NUMBER_TASKS",
    }  # of the core, which needs no more
    assert imports - own <= {
        "import os",
        "import tempfile",
        "import numpy as np",
        "import tensorflow.compat.v1 as tf",
    }


# -- what they print -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
def test_a_lesson_prints_what_it_says(number, capsys):
    lesson = load(number)
    lesson.main()
    assert_as_predicted(lesson, capsys.readouterr().out)


@pytest.mark.parametrize("number", PATHS)
def test_a_solution_prints_what_it_says(number, capsys):
    lesson = load(number)
    lesson.solution()
    assert_as_predicted(lesson.solution, capsys.readouterr().out)


def test_lesson_7_reads_numbers_that_it_was_not_trained_on(monkeypatch, capsys):
    lesson, drawn, draw = load(7), {}, load(7).draw
    monkeypatch.setattr(
        lesson, "draw", lambda split, count: drawn.setdefault(split, draw(split, count))
    )
    lesson.main()
    captured = capsys.readouterr()
    assert_as_predicted(lesson, captured.out)
    assert captured.err == ""  # no progress where nobody looks on
    seen = {image.tobytes() for image in drawn["train"][0]}
    assert len(drawn["train"][0]) == 4096 and len(drawn["test"][0]) == 500
    assert not [image for image in drawn["test"][0] if image.tobytes() in seen]


def test_lesson_7_shows_on_a_terminal_how_far_it_is(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    load(7).draw("test", 3)
    assert "test: " in terminal.getvalue() and "/3" in terminal.getvalue()


def test_the_cost_of_lesson_7_is_the_answers():
    logits, labels = helpers.random_batch(np.random.default_rng(7), batch=5)
    kinds = []
    for build in (answer.cost, lambda z, y: load(7).cost(list(y.values()), list(z.values()))):
        with tf.Graph().as_default() as graph, tf.Session() as session:
            cost = build(
                *[
                    {name: tf.constant(rows) for name, rows in each.items()}
                    for each in (logits, labels)
                ]
            )
            kinds.append(
                [operation.type for operation in graph.get_operations()] + [session.run(cost)]
            )
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("change", ["extra line", "another number", "a line too few"])
def test_another_output_than_predicted_is_noticed(change):
    lesson = load(7)
    said = [line.replace("..", "12") for line in predicted(lesson)]
    assert_as_predicted(lesson, "\n".join(said))
    changed = {
        "extra line": [*said, ""],
        "another number": [said[0].replace("5.04", "5.05"), *said[1:]],
        "a line too few": said[:-1],
    }
    with pytest.raises(AssertionError):
        assert_as_predicted(lesson, "\n".join(changed[change] + ["x"] * (change == "extra line")))


# -- the command -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["--help"], ["3", "-h"]])
def test_it_lists_the_lessons(arguments, capsys):
    command.main(arguments)
    lines = capsys.readouterr().out.splitlines()
    assert [
        int(number)
        for line in lines
        for number in re.findall(r"^  Lesson (\d): .*\(lesson\1_\w+\.py\)$", line)
    ] == list(PATHS)


def test_the_list_imports_no_tensorflow():
    program = "import sys; from mtl.lessons import __main__ as command; command.main([]); print('tensorflow' in sys.modules)"
    done = user("-c", program)
    assert (done.returncode, done.stderr, done.stdout.splitlines()[-1]) == (0, "", "False")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["9"], "unknown lesson '9'"),
        (["x"], "unknown lesson 'x'"),
        (["3", "4"], "unknown lesson '3 4'"),
        (["3", "--solutions"], "unknown lesson '3 --solutions'"),
        (["--solution"], "no lesson was named"),
    ],
)
def test_what_there_is_not_is_one_line_that_names_the_cure(arguments, words):
    done = user("-m", "mtl.lessons", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == f"mtl.lessons: {words}; the lessons are 1 to 7, as in python -m mtl.lessons 3 --solution\n"
    )


def test_a_lesson_runs_by_its_number_and_asks_its_question():
    done = user("-m", "mtl.lessons", "3")
    output, question = done.stdout.split("\n\nQuestion: ")
    assert (done.returncode, done.stderr, question) == (0, "", load(3).QUESTION + "\n")
    assert_as_predicted(load(3), output)


def test_a_solution_runs_by_its_number(capsys):
    command.main(["4", "--solution"])
    assert_as_predicted(load(4).solution, capsys.readouterr().out)


def test_a_lesson_runs_as_a_file():
    done = user(str(PATHS[1]))
    assert done.returncode == 0, done.stderr
    assert_as_predicted(load(1), done.stdout)
