"""Datasets, and the way from their images to training batches."""
