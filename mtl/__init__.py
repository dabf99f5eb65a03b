"""Multi-task learning in graph mode: the reference implementation of a Stack Overflow answer.

    from mtl import answer, losses, tasks, model

Importing mtl does not import TensorFlow. The modules that build graphs do.
"""

__version__ = "0.1.0"
