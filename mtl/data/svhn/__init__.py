"""SVHN: its archives, the reader of its folders, and the conversion to records."""
