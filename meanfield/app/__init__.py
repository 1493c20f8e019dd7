"""The command line: studies and their report."""
