"""SVHN: reading its folders, fetching its archives, and converting them to records."""
