import numpy as np

from meanfield.measures.flow_map import Stencils


def test_stencils_reproduce_polynomials_up_to_their_degree():
    edges = (np.cumsum([0.0, 0.3, 0.5, 0.4, 0.7, 0.2, 0.6, 0.3]),)
    stencils = Stencils(edges, 6)
    x, u = edges[0] ** 5 - edges[0] ** 2, 0.37
    for cell in range(len(edges[0]) - 1):
        places, first = stencils.places[0, cell], stencils.first[0, cell]
        basis = [stencils.weights[0, cell, j] * np.prod([u - places[m] for m in range(6) if m != j]) for j in range(6)]
        at = edges[0][cell] + u * np.diff(edges[0])[cell]
        np.testing.assert_allclose(basis @ x[first : first + 6], at**5 - at**2, rtol=1e-10, atol=1e-11)


def test_stencils_lie_about_their_cell_and_shrink_on_small_meshes():
    stencils = Stencils((np.linspace(0, 1, 11), np.linspace(0, 1, 4)), 6)
    assert stencils.first[0, :10].tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 5, 5]
    assert stencils.count.tolist() == [6, 4]
