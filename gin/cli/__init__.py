"""The command line, `gin`."""
