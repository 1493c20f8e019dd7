"""Settings of the whole suite."""

from hypothesis import settings

# The same examples on every machine, and no clock: a busy machine is no error.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")
