"""Functions of a Dataset: diagnostics, clusters, frames, the Gaussian closure."""
