"""The flags of `mtl evaluate`; what it measures is in tests/end_to_end."""

import pytest


@pytest.mark.parametrize(
    "flag, named",
    [
        ("--split=tset", "split"),
        ("--dataset=mnist", "dataset"),
        ("--count=0", "count"),
        ("--difficulty=2", "difficulty"),
        ("--json=perhaps", "json"),
        ("extra", "'extra'"),
    ],
)
def test_a_bad_flag_is_named(refused, flag, named):
    assert named in refused(1, "evaluate", "--model_dir=x", flag)


def test_model_dir_is_required(refused):
    assert "--model_dir" in refused(1, "evaluate")


def test_synthetic_has_neither_a_folder_nor_a_third_part(refused):
    assert "--data_dir=photos" in refused(1, "evaluate", "--model_dir=x", "--dataset=synthetic", "--data_dir=photos")
    assert "--split=extra" in refused(1, "evaluate", "--model_dir=x", "--dataset=synthetic", "--split=extra")


def test_a_missing_run_is_named(refused, tmp_path):
    assert str(tmp_path / "nowhere") in refused(2, "evaluate", f"--model_dir={tmp_path / 'nowhere'}")
