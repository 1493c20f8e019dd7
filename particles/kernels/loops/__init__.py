"""The compiled step loop: whole runs of small ensembles without a call from Python."""
