"""The parts of a study, one a file: its table in the TOML, how it runs, its section of the report."""
