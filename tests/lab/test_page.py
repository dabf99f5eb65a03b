"""The page of a comparison: its sections, and that it is self-contained."""

from mtl.lab import page, summary
from mtl.lab.page import About
from tests import html_check
from tests.lab import made

VALUES = {"objective": ["linear", "log_sum"], "learning_rate": [0.1, 0.2], "seed": [0, 1]}
ABOUT = About("mtl compare \\\n  --out=<x>", ["--steps=4"], VALUES, ["learning_rate"])


def results(failed=()):
    found = []
    for run in made.runs(VALUES):
        score = run.config.learning_rate + 0.01 * run.config.seed
        ended = made.DIVERGED if run.config.learning_rate in failed else made.DONE
        found.append(made.result(run, made.evaluation(4, score, score, 1.0), ended=ended))
    return found


def tree(found=None, about=ABOUT):
    return html_check.tree(page.html(summary.make(found or results()), about))


def test_page_is_well_formed_and_has_its_sections():
    found = tree()
    assert [each.text for each in found.all("h2")] == [
        "Results",
        "Tasks",
        "Learning curves",
        "Time and memory",
        "How settings were chosen",
        "Runs without a result",
        "Reproduce",
    ]
    links = [each.attributes["href"] for each in found.one("nav").all("a")]
    assert links == [f"#{each.attributes['id']}" for each in found.all("section")]
    facts = found.one("dl").text
    assert "runs with a result 8 of 8" in facts and "seeds 2" in facts and "steps 4" in facts


def test_title_names_what_is_compared():
    assert tree().one("h1").text == "Comparison: objective"
    seeds = {"seed": [0, 1]}
    found = [made.result(run, made.evaluation(4, 0.5, 0.5, 1.0)) for run in made.runs(seeds)]
    assert tree(found, ABOUT._replace(values=seeds)).one("h1").text == "Comparison: seed"


def test_choice_shows_all_settings_and_the_chosen_one():
    rows = tree().one("section", id="choice").one("table").rows()
    assert rows[1:] == [
        ["linear", "learning_rate=0.1", "0.1050 ± 0.0635", "2 of 2", ""],
        ["linear", "learning_rate=0.2", "0.2050 ± 0.0635", "2 of 2", "yes"],
        ["log_sum", "learning_rate=0.1", "0.1050 ± 0.0635", "2 of 2", ""],
        ["log_sum", "learning_rate=0.2", "0.2050 ± 0.0635", "2 of 2", "yes"],
    ]


def test_without_a_choice_there_is_one_sentence():
    about = ABOUT._replace(values={"objective": ["linear", "log_sum"]})
    found = tree(made.seeds(("linear", [0.5]), ("log_sum", [0.5])), about)
    section = found.one("section", id="choice")
    assert section.all("table") == [] and "No flag was chosen" in section.text


def test_use_of_test_is_counted():
    assert "The test split has not been used" in tree().one("section", id="choice").text
    found = tree(about=ABOUT._replace(tested=7))
    assert "7 runs of this folder have been evaluated on test" in found.text


def test_cost_is_relative_to_linear_and_says_how_it_was_measured():
    found = results()
    section = tree(found).one("section", id="cost")
    assert "Measured with one run at a time" in section.text
    assert "slow each other down" not in section.text
    assert section.one("table").rows()[2][:4] == ["log_sum", "10.00 ± 0.00", "1.00 x", "500"]
    found[-1] = found[-1]._replace(ended=made.DONE._replace(beside=3))
    section = tree(found).one("section", id="cost")
    assert "Measured with 1 or 3 runs at a time" in section.text
    assert "slow each other down; for exact times use --jobs=1" in section.text


def test_failed_runs_are_listed_with_the_reason():
    found = results(failed=[0.1])
    found[-1] = found[-1]._replace(test_error="no split test")
    rows = tree(found).one("section", id="failed").one("table").rows()
    assert len(rows) == 1 + 4 + 1
    assert rows[1][1].startswith("exit code 3: mtl train: task a: loss is nan")
    assert rows[1][2:] == ["training", "0", "linear, learning_rate=0.1"]
    assert rows[-1][1:3] == ["no split test", "test"]
    assert "None: all runs" in tree().one("section", id="failed").text


def test_a_comparison_without_any_result_is_a_page():
    found = tree(results(failed=[0.1, 0.2]))
    assert "runs with a result 0 of 8" in found.one("dl").text


def test_reproduce_has_the_command_the_flags_and_the_versions():
    section = tree(about=ABOUT._replace(versions={"mtl": "<1>"})).one("section", id="again")
    assert "--out=<x>" in section.text and "--steps=4" in section.text
    assert section.one("table").rows()[1] == ["mtl", "<1>"]
    assert section.one("a").attributes["href"] == "results.csv"


def test_charts_have_names_for_screen_readers():
    charts = tree().all("svg", role="img")
    assert charts and all(each.attributes["aria-label"] for each in charts)
