"""Explain a training graph: the source of each operation, a diagram, and real training steps."""
