"""The synthetic dataset: images of numbers, drawn as they are needed."""
