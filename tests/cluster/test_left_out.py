"""Counts and messages of the steps without some workers."""

from mtl.cluster import left_out

NAMES = ["worker 0 (a:1)", "worker 1 (b:1)", "worker 2 (c:1)"]
ALL, ONE, BOTH = [True, True, True], [True, True, False], [True, False, False]


def reported(takings, seconds_a_step=10.0):
    """Return the messages of some steps, with that of the end."""
    said, clock = [], [0.0]
    counts = left_out.LeftOut(NAMES, said.append, 5.0, lambda: clock[0])
    for step, taking in enumerate(takings, start=1):
        clock[0] += seconds_a_step
        assert counts.after(step, [taking]) == step
    counts.end()
    return said


def test_a_step_names_the_workers_that_it_went_on_without():
    assert reported([ALL, ONE, BOTH])[:-1] == [
        "step 2: without worker 2 (c:1) (1 time so far)",
        "step 3: without worker 1 (b:1) (1 time so far), worker 2 (c:1) (2 times so far)",
    ]


def test_messages_are_seconds_apart_but_every_step_counts():
    assert reported([ONE] * 12, 1.0) == [
        "step 1: without worker 2 (c:1) (1 time so far)",
        "step 6: without worker 2 (c:1) (6 times so far)",
        "step 11: without worker 2 (c:1) (11 times so far)",
        "12 steps, without worker 2 (c:1) in 12 of them",
    ]


def test_the_end_reports_all_counts():
    expected = "1,203 steps, without worker 1 (b:1) in 2, worker 2 (c:1) in 1,003 of them"
    assert reported([ALL] * 200 + [BOTH] * 2 + [ONE] * 1001)[-1] == expected


def test_steps_with_all_workers_are_not_reported():
    assert reported([ALL] * 3) == []
