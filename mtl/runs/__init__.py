"""Run directories: find, verify and mend them, lock them, and write files whole or not at all."""
