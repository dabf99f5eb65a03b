"""The command line: one file a command. Flags are defined, checked and read here and nowhere else."""
