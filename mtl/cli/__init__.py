"""The command line, a file for each command. Only this package defines and reads flags."""
