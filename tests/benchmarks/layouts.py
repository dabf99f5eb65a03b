"""Layouts: how a training step of mtl is divided among threads."""

from typing import NamedTuple

from mtl import sessions


class Layout(NamedTuple):
    """Towers, and the sizes of TensorFlow's two pools of threads; see mtl/sessions.py."""

    towers: int
    intra: int
    inter: int

    def __str__(self):
        return f"{self.towers} x {self.intra}/{self.inter}"


def rule(threads, batch_size):
    """Return the Layout that mtl uses."""
    pools = sessions.pools(sessions.session_config(threads, batch_size))
    return Layout(sessions.towers_of(threads, batch_size), pools["intra_op"], pools["inter_op"])


def every(threads, batch_size):
    """Return dict name -> Layout; the first is mtl's rule. One may occur under several names."""
    few = max(1, min(threads, batch_size // 8))
    many = max(1, min(threads, batch_size // 2))
    return {
        "mtl": rule(threads, batch_size),
        "one tower": Layout(1, threads, 1),
        "a tower a thread": Layout(many, 1, threads),
        "towers of 8 images, shared pool": Layout(few, threads, few),
        "a tower a thread, shared pool": Layout(many, threads, threads),
    }
