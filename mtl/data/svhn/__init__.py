"""SVHN: read its folders, download its archives, and convert them to records."""
