"""Datasets, and the conversion of their images to training batches."""
