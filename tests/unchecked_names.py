"""Public names without argument checks of their own; every other one has a row in argument_table.py."""

UNCHECKED = {
    "particles": {
        **dict.fromkeys(("Derived", "DiscreteMap", "Space"), "abstract"),
        **dict.fromkeys(("Circle", "Euclidean", "Iterate", "Sphere"), "no arguments"),
    },
    "particles.errors": dict.fromkeys(
        (
            "LibraryError",
            "InvalidInput",
            "NotSupported",
            "TooLarge",
            "DistanceTooLarge",
            "NotConverged",
            "StoreError",
            "RunStopped",
            "OutOfRange",
            "Interrupted",
        ),
        "exceptions",
    ),
    "meanfield.checkpoints": {
        "Checkpoint": "made by open",
        "trained_heads": "no arguments",
        "sentence_embeddings": "no arguments",
    },
    "meanfield.distances": {"Bracket": "a result", "DensityBracket": "a result", "Transport": "a result"},
    "meanfield.figures": {
        "Drawn": "a result",
        **dict.fromkeys(("boolean_pattern", "candidate_points", "table_1"), "axes only: Matplotlib's own objects"),
        "limit_set": "drawn by figures",
    },
    "meanfield.limits": dict.fromkeys(
        (
            "THEOREMS",
            "BooleanMatrix",
            "Check",
            "Head",
            "Hyperplanes",
            "Hypotheses",
            "LeaderTheorem",
            "LimitCertificate",
            "LimitSet",
            "Origin",
            "ParallelSubspaces",
            "Polytope",
            "PolytopePoints",
            "PolytopeTimesSubspace",
            "Status",
            "Theorem",
        ),
        "a result",
    ),
    "meanfield.studies.constants": {"Constants": "a result"},
    "meanfield.studies.finite_size": {"Agreement": "a result"},
    "meanfield.studies.inequalities": {"Inequality": "a result"},
    "meanfield.data": {"FigureCase": "a result", "data_folder": "no arguments"},
    "meanfield.measures.quadrature": {"Characteristics": "made by `characteristics`"},
    "meanfield.analysis.diagnostics": {"SmoothFunction": "a protocol", "Wave": "made by `waves`"},
    "meanfield.analysis.clusters": {"Flats": "a result"},
    "meanfield.analysis.gaussian": {"Affine": "a result", "normal_flow": "asked by `gaussian_solution`, which checks"},
}
"""Public names without argument checks, and why."""
