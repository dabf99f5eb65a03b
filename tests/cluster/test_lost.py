"""How a run of a cluster ends for its members: the exit codes and the messages."""

import pytest

from mtl.cluster import lost
from mtl.errors import DataError


@pytest.mark.parametrize(
    "code, expected", [(1, 1), (2, 2), (3, 3), (0, 138), (130, 138), (137, 138), (138, 138)]
)
def test_only_a_code_that_would_come_again_is_passed_on(code, expected):
    assert lost.Lost("worker 1 has ended", code=code).exit_code == expected


def test_without_a_code_a_process_may_be_started_again():
    assert lost.Lost("worker 1 has ended").exit_code == lost.Lost.RETRY == 138


def test_the_message_has_a_cure_unless_the_other_member_gives_one():
    error = lost.Lost("ps 0 (a:1) has ended")
    assert str(error) == f"ps 0 (a:1) has ended; {lost.CURE}"
    assert error.what == "ps 0 (a:1) has ended"
    assert str(lost.Lost("ps 0 (a:1) has ended", cure="")) == "ps 0 (a:1) has ended"


def test_a_run_that_has_ended_as_it_should_is_no_loss():
    cause = OSError("closed")
    with pytest.raises(lost.Ended) as caught:
        lost.raise_ended({"why": "", "by": "worker 0 (a:1)", "code": 0}, cause)
    assert caught.value.__cause__ is cause


def test_a_run_that_a_member_has_ended_names_it_and_its_reason():
    reason = DataError("data/train.npz: no such file; write it")
    record = {"why": str(reason), "by": "worker 1 (b:2)", "code": reason.exit_code}
    with pytest.raises(lost.Lost) as caught:
        lost.raise_ended(record)
    assert str(caught.value) == f"worker 1 (b:2) has ended the run: {reason}"
    assert caught.value.exit_code == 2
