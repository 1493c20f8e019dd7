"""Settings of the whole suite."""

import os
import signal

from hypothesis import settings

# The matrices are small: on a busy machine the threads of BLAS would only wait for each other. Read when NumPy loads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Some sixty processes are started here: each would translate the whole library to bytecode again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# The same examples on every machine, and no clock: a busy machine is no error.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")

# A shell's background jobs ignore Ctrl-C, and so would the runs that are interrupted here and the processes they start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
