"""The synthetic dataset: images of numbers, drawn on demand."""
