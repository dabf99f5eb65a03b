"""mtl.serving.limits: derived limits."""

from mtl.serving.limits import Limits


def test_sixteen_of_the_largest_bodies_are_held_at_the_same_time():
    limits = Limits(body_mb=3)
    assert limits.body == 3 * 1024 * 1024
    assert limits.bodies == 16 * limits.body
