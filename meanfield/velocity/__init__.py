"""The velocity field of a model on a grid."""
