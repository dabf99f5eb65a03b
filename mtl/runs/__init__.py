"""Run directories: find, verify, mend and lock them, and write files atomically."""
