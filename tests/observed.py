"""Observed orders of convergence."""

import numpy as np


def orders(errors, factor=2.0):
    """log(e_k / e_{k+1}) / log(factor) of errors of which each has a step `factor` times smaller than the last."""
    return np.log(np.array(errors[:-1]) / np.array(errors[1:])) / np.log(factor)
