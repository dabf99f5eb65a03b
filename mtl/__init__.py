"""Multi-task learning in low-level graph mode: the reference implementation of a Stack Overflow answer of 2016.

    from mtl import answer, losses, tasks, model

Importing mtl itself does not import TensorFlow; the modules that build graphs do, when they are first asked for.
"""

__version__ = "0.1.0"
__all__ = ["answer", "bottoms", "layers", "losses", "model", "tasks", "train", "__version__"]
