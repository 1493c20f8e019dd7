import numpy as np
import pytest

from meanfield.measures.flow_map import STENCIL, Stencils
from meanfield.measures.remap_kernels import deposit, hits, images


def bent(d, n=5):
    """A bent mesh of n cells an axis: its vertices padded to three axes, and the arguments that tell its flow."""
    edges = (np.linspace(0, 1, n + 1),) * d
    x = np.stack(np.meshgrid(*edges, indexing="ij"), axis=-1)
    x = x + 0.05 * np.sin(3 * x[..., ::-1])
    s = Stencils(edges, STENCIL[d])
    vertices = x if d == 3 else x[:, :, None]
    shape = np.array([n] * d + [1] * (3 - d))
    return vertices, shape, s


@pytest.mark.parametrize("d", [2, 3])
def test_points_are_found_at_the_places_whose_images_they_are(d):
    vertices, shape, s = bent(d)
    lines = np.array([np.linspace(0.15, 0.85, 7)] * d)
    count, room = np.full(d, 7), 7**d
    target, cells, place = np.empty(room, np.int64), np.empty(room, np.int64), np.empty((room, d + 1))
    found = hits(vertices, shape, s.first, s.places, s.weights, s.count, lines, count, target, cells, place)
    assert found == room
    assert sorted(target) == list(range(room))
    at = np.full((int(shape.prod()), room, d), 0.5)
    for k in range(room):
        at[cells[k], k] = place[k, :d]
    out = np.empty_like(at)
    images(vertices, shape, s.first, s.places, s.weights, s.count, at, out)
    points = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, d)
    np.testing.assert_allclose([out[cells[k], k] for k in range(room)], points[target], atol=1e-13)


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("parts", [4, 6])
def test_the_mass_of_parts_is_laid_where_they_are(d, parts):
    vertices, shape, s = bent(d)
    shares = np.random.default_rng(d).uniform(size=(int(shape.prod()), parts**d))
    edges, masses = np.array([np.linspace(-0.2, 1.3, 16)] * d), np.zeros(15**d)
    counts = np.full(d, 15)
    deposit(vertices, shape, parts, shares, s.first, s.places, s.weights, s.count, edges, counts, masses)
    assert masses.sum() == pytest.approx(shares.sum(), rel=1e-13)
    # The centre of mass of the parts, each at its own place.
    u = (np.arange(parts) + 0.5) / parts
    at = np.stack(np.meshgrid(*[u] * d, indexing="ij"), axis=-1).reshape(-1, d)
    out = np.empty((len(shares), parts**d, d))
    images(vertices, shape, s.first, s.places, s.weights, s.count, np.tile(at, (len(shares), 1, 1)), out)
    centre = np.einsum("nm,nmd->d", shares, out) / shares.sum()
    middles = (edges[0][1:] + edges[0][:-1]) / 2
    own = [(masses.reshape([15] * d).sum(axis=tuple(j for j in range(d) if j != k)) @ middles) for k in range(d)]
    np.testing.assert_allclose(np.array(own) / masses.sum(), centre, atol=5e-3)
