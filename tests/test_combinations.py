"""mtl.combinations: settings of own tasks that fit together. test_config.py has the others."""

import pytest

from mtl.config import Config


@pytest.mark.parametrize("dataset", ["npz", "folder", "table", "records"])
@pytest.mark.parametrize("best_by", ["", "height", "odd"])
def test_own_tasks_fit_every_dataset_that_has_them(dataset, best_by):
    record = Config(tasks="digit:10, odd:2,height:real", dataset=dataset, best_by=best_by)
    assert not record.is_numbers and record.crop_size == 0


def test_the_six_tasks_in_full_are_numbers():
    text = "length:7," + ",".join(f"digit{position}:11" for position in range(1, 6))
    assert Config(tasks=text).is_numbers and Config(tasks=text).crop_size == 54
    assert Config(crop=0).crop_size == 0


def test_exact_match_needs_tasks_that_can_be_exactly_correct():
    """A real number is never exactly correct, so no weights would be the best."""
    Config(tasks="a:3,b:2", dataset="npz", best_by="exact_match")
    with pytest.raises(ValueError, match="--best_by=exact_match must be one of a, b; or remove"):
        Config(tasks="a:3,b:real", dataset="npz", best_by="exact_match")
