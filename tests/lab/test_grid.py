"""The grid: values of flags, combinations, names, and what is rejected."""

import pytest

from mtl.errors import UsageError
from mtl.lab import grid
from tests.helpers import one_line

PARSERS = {"learning_rate": float, "label_smoothing": float, "seed": int, "clip_min": float}


def parse(flag, text):
    return PARSERS.get(flag, str)(text)


def test_values_have_the_type_of_their_flag():
    found = grid.varied(
        ["label_smoothing=0,0.1", "--top_units=128,64;32"], {"objective": "linear,single"}, parse
    )
    assert found == {
        "objective": ["linear", "single"],
        "label_smoothing": [0.0, 0.1],
        "top_units": ["128,64", "32"],
    }


@pytest.mark.parametrize(
    "text, message",
    [
        ("label_smothing=0", "did you mean label_smoothing?"),
        ("qqq=0", "not a setting of a run; mtl train --help lists them"),
        ("label_smoothing", "has no values; write --vary=label_smoothing=0,0.1"),
        ("label_smoothing=", "no values for label_smoothing"),
        ("label_smoothing=0,x", "label_smoothing=x"),
        ("label_smoothing=0,1", "from 0 to 1, 1 excluded"),
        ("label_smoothing=0,0.0", "label_smoothing=0.0 is given twice"),
        ("objective=linear,linaer", "did you mean linear?"),
        ("learning_rate=0.2", "the values of learning_rate are given twice"),
        ("bottom=", "no values for bottom"),
        ("bottom=mlp,", "bottom= must be one of"),
    ],
)
def test_rejects_wrong_values_with_the_cure(text, message):
    with pytest.raises(UsageError) as error:
        grid.varied([text], {"learning_rate": "0.1"}, parse)
    one_line(error, message)


def test_expands_all_combinations_in_order(runs):
    found = runs({"objective": ["linear", "log_sum"], "learning_rate": [0.1, 0.2], "seed": [0, 1]})
    assert [(*each.variant, *each.setting, each.config.seed) for each in found] == [
        (("objective", name), ("learning_rate", rate), seed)
        for name in ("linear", "log_sum")
        for rate in (0.1, 0.2)
        for seed in (0, 1)
    ]
    assert [each.config.learning_rate for each in found] == [0.1, 0.1, 0.2, 0.2] * 2
    assert all(each.config.tasks == "a:2,h:real" for each in found)


def test_names_depend_on_all_settings_and_on_nothing_else(runs):
    values = {"objective": ["linear"], "seed": [0, 1]}
    first, second = runs(values)
    assert first.name.startswith("linear-") and first.name.endswith("-seed0")
    assert second.name == first.name.replace("seed0", "seed1")
    (same,) = runs({"label_smoothing": [0.1]}, objective="linear")  # the default
    assert same.name == first.name
    (other,) = runs({"seed": [0]}, objective="linear", steps=5)
    assert other.name != first.name


def test_name_of_own_code_is_a_file_name(runs):
    (run,) = runs({"objective": ["code.mine:cost"]})
    assert run.name.startswith("code.mine.cost-")


def test_single_trains_one_network_for_each_task(runs):
    found = runs({"objective": ["single"], "seed": [3]})
    assert [each.task for each in found] == ["a", "h"]
    assert [each.config.task_weights for each in found] == ["1,0", "0,1"]
    assert [each.config.best_by for each in found] == ["a", "h"]
    assert {each.config.objective for each in found} == {"linear"}
    assert {each.variant for each in found} == {(("objective", "single"),)}
    assert found[0].name.startswith("single-a-")


def test_single_of_numbers_has_six_networks(runs):
    found = runs({"objective": ["single"]}, tasks="numbers", dataset="synthetic", data_dir="")
    assert len(found) == 6 and found[1].config.task_weights == "0,1,0,0,0,0"
    assert all(each.config.is_numbers for each in found)


def test_a_flag_that_an_objective_does_not_use_has_its_default(runs):
    found = runs({"objective": ["linear", "log_sum"], "clip_min": [1e-37, 1e-6]})
    assert [(grid.label(each.variant), each.config.clip_min) for each in found] == [
        ("linear", 1e-37),
        ("log_sum, clip_min=1e-37", 1e-37),
        ("log_sum, clip_min=1e-06", 1e-6),
    ]


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"task_weights": "1,2"}, "task_weights=1,2 has no effect on any objective"),
        ({"objective_options": "mu:0.5"}, "objective_options=mu:0.5 has no effect"),
    ],
)
def test_rejects_a_setting_that_no_objective_uses(runs, changed, message):
    with pytest.raises(UsageError) as error:
        runs({"objective": ["log_sum"]}, **changed)
    one_line(error, message, "--objective=list")


def test_rejects_a_combination_that_does_not_work(runs):
    with pytest.raises(UsageError) as error:
        runs({"objective": ["linear", "answer"]})
    one_line(error, "objective=answer: ", "use --objective=log_sum")


def test_rejects_a_dataset_without_its_folder(runs):
    with pytest.raises(UsageError) as error:
        runs({"seed": [0]}, data_dir="")
    one_line(error, "--data_dir is required")


def test_arguments_repeat_the_config(runs):
    (run,) = runs({"objective": ["linear"], "seed": [2]})
    assert grid.arguments(run.config) == [
        "--tasks=a:2,h:real",
        "--objective=linear",
        "--dataset=npz",
        "--data_dir=data",
        "--batch_size=8",
        "--steps=4",
        "--seed=2",
    ]


def test_label_names_the_flags():
    assert grid.label((("objective", "linear"), ("dropout", 0.5))) == "linear, dropout=0.5"
    assert grid.label(()) == "all runs"
