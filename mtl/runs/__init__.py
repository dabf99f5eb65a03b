"""Run directories: find, verify and mend them, the lock, and files that are whole or not there."""
