"""Evaluation: metrics of a network on a dataset."""
