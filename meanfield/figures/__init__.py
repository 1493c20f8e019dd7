"""The figures of arXiv 2305.05465: `figure(N)`, and the panels they are made of; all take `ax=None`.

The command line calls `meanfield.figures.command.draw(which, out, as_published)`, `which` "1" to "13", "table1" or
"all"; it writes PNG, GIF and captions into `out` and returns their paths.
"""

from meanfield.figures.panels import attention_image, cloud, leaders_graph, limit_set, polytope_edges
from meanfield.figures.paper import Drawn, figure
from meanfield.figures.schematics import boolean_pattern, candidate_points, table_1

__all__ = [
    "Drawn",
    "attention_image",
    "boolean_pattern",
    "candidate_points",
    "cloud",
    "figure",
    "leaders_graph",
    "limit_set",
    "polytope_edges",
    "table_1",
]
