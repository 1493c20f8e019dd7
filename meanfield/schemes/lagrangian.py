"""A mesh that travels with the mass: Gauss nodes of the initial law moved as particles, vertices beside them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import xarray as xr

from meanfield.measures.described import described, law_of
from meanfield.measures.grid import Grid, GridMeasure, grid_of
from meanfield.measures.laws import ProbabilityLaw
from meanfield.measures.material import Material, material
from meanfield.measures.mesh import mean_density
from meanfield.measures.remap import Deposited, Moved, laid, push_forward, unwrapped
from meanfield.schemes.base import Options, Scheme
from meanfield.schemes.carried import as_text, from_text
from meanfield.schemes.carrying import Carried, finer, limited, scaled
from particles.checks import Array, as_finite, hold, whole
from particles.dataset import Series, variable
from particles.errors import InvalidInput, LeftTheBox, NotSupported
from particles.evolution import resumable
from particles.fields.field import VelocityField
from particles.fields.questions import for_run
from particles.measure import EmpiricalMeasure
from particles.steppers.adaptive import Adaptive
from particles.steppers.method import Method, advance_over_jumps
from particles.steppers.state import Particles

DEFAULT_METHOD = Adaptive(1e-7, 1e-9)
"""Its error is far below that of a mesh; `time_error` tells. Its absolute tolerance is that of a law of size 1: it
is in proportion to the law's size."""

PROBES = 8
"""Nodes at which the field is looked at for a model that is given back."""

MAX_OUTSIDE = 1e-6
"""Mass outside the box above which a run stops, or warns where leaving is allowed."""


DRAWN = 2
"""Dimensions up to which the mean densities of the moved cells are recorded: `mean_density` has them in any."""


@dataclass(frozen=True)
class Lagrangian(Scheme):
    """(6.1) along characteristics: μ_t = Φ_t#μ₀, by Gauss nodes of μ₀ that move with constant weights.

    Nothing diffuses: sharp edges stay sharp. Serves any field without noise, of exchangeable tokens, on R^d or a
    periodic box, in d ≤ 3. A step costs nodes · (nodes + vertices) pairs where sums are exact.

    The edges of boxes, discs and rings, of their mixtures, and of products of boxes are those of the law; a measure
    given by a density or by cell masses is taken as constant in each cell, a staircase at its edge, of order one.

    Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I, for the flow; the density is ρ₀/det DΦ.

    Parameters
    ----------
    nodes : int
        Nodes along each axis of a material cell: order 2·nodes in the size of the cells.
    method : Method
        Moves the nodes, with its own error control.
    cells : tuple of d ints, optional
        Cells along each axis of the support, multiples of four; None for about one node to a cell of the grid.
    may_leave : bool
        Whether mass outside the box is recorded in `outside_mass` and warned of; else it stops the run above 1e-6.

    Raises
    ------
    InvalidInput
        For numbers of nodes or cells that do not serve, a method that is none.
    NotSupported
        For noise, tokens that collide in a finite time or whose order matters, and d > 3, when a run starts.
    """

    order: ClassVar[int] = 4
    diffuses: ClassVar[bool] = False
    periodic: ClassVar[bool] = True

    nodes: int = 2
    method: Method = DEFAULT_METHOD
    cells: tuple[int, ...] | None = None
    may_leave: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no number of nodes or cells, or no method."""
        hold(self, nodes=whole(self.nodes, "nodes"))
        if not isinstance(self.method, Method):
            raise InvalidInput(f"method must be a Method, Adaptive() or RK4(dt), got {self.method!r}")
        if self.cells is not None:
            given = np.atleast_1d(as_finite(self.cells, "cells"))
            if given.ndim != 1 or not given.size or (given < 4).any() or (given % 4).any():
                raise InvalidInput(f"cells must be a multiple of four along each axis, got {self.cells!r}")
            hold(self, cells=tuple(map(int, given)))

    def check_problem(self, model: VelocityField, initial: GridMeasure) -> None:
        """Refuse noise, tokens that collide, grids beyond three axes, and counts of cells for another dimension."""
        super().check_problem(model, initial)
        if model.events:
            raise NotSupported(
                f"tokens of {model!r} collide in a finite time, after which no flow carries the mesh: use "
                "FiniteVolume(), or simulate for the tokens themselves"
            )
        if initial.dim > 3:
            raise NotSupported(f"a material mesh has at most three axes, got {initial.dim}: use simulate")
        if self.cells is not None and len(self.cells) != initial.dim:
            raise InvalidInput(f"cells must have one entry an axis: got {self.cells} in dimension {initial.dim}")

    def start(self, model: VelocityField, initial: GridMeasure, t: float, options: Options) -> LagrangianState:
        """The nodes and vertices at the first time, on this mesh and on one of half as many cells."""
        self.method.check(model, np.array([t]))
        fine, coarse = (material(initial, self.nodes, self.cells, coarser=k) for k in (1, 2))
        method = limited(self.method, options.time.max_step)
        if self.method == DEFAULT_METHOD:
            method = scaled(method, fine.size)
        scheme = replace(self, method=method)
        solution = _particles(fine, self.nodes, fine.vertices)
        check = _particles(coarse, self.nodes, _middles(fine, [patch.vertices for patch in fine.patches]))
        timed = _particles(coarse, self.nodes, np.empty((0, initial.dim)))
        # Within the tolerance of the finer run, whose distance tells the error in time.
        within = (finer(method, coarse.size) or method).sum_tolerance
        model = for_run(model, int(np.count_nonzero(solution.w)), within)
        rules = tuple(patch.gauss(self.nodes) for patch in fine.patches)
        return LagrangianState(model, scheme, initial, fine, coarse, rules, solution, check, timed)


def _particles(mesh: Material, nodes: int, queries: Array) -> Particles:
    points, masses = mesh.nodes(nodes)
    return Particles(np.concatenate([points, queries])[None], np.append(masses, np.zeros(len(queries))))


@resumable("moving mesh")
@dataclass(frozen=True, eq=False)
class LagrangianState:
    """A material mesh as a state of the time loop.

    Three ensembles of nodes: `fine`, the solution, followed by the vertices of its mesh; `coarse`, on half as many
    cells, followed by those vertices that lie in the middle of its cells, which tell the error in space; `timed`, the
    nodes of the coarse one moved by a finer method, which tell the error in time. The corners of coarse cells would not
    do: in a symmetric law some lie on a watershed, where no mass is and rounding decides on which side they end.
    `rules`: of each patch the places of the nodes in its cells and their masses.
    """

    model: VelocityField
    scheme: Lagrangian
    initial: GridMeasure
    mesh: Material
    coarse_mesh: Material
    rules: tuple[tuple[Array, Array], ...]
    fine: Particles
    coarse: Particles
    timed: Particles
    moved: bool = False

    @property
    def grid(self) -> Grid:
        """The fixed grid of `density`."""
        return self.initial.grid

    @property
    def _periods(self) -> tuple[float | None, ...]:
        return self.model.space.axis_periods(self.grid.dim)

    @property
    def _count(self) -> int:
        return int(np.count_nonzero(self.fine.w))

    def advance(self, t0: float, t1: float) -> Self:
        """The mesh at t1; the run stops where more mass than allowed has left the box."""
        method, tight = self.scheme.method, finer(self.scheme.method, self.coarse_mesh.size)

        def moved_by(way: Method, particles: Particles) -> Particles:
            # Compiled code carries the few points of a small mesh sooner than sums of their own leave out the queries.
            small = way.summation(self.model, len(particles.w)) == "compiled"
            field = self.model if small else Carried(self.model, int(np.count_nonzero(particles.w)))
            return advance_over_jumps(way, field, t0, t1, particles)

        moved = replace(
            self,
            fine=moved_by(method, self.fine),
            coarse=moved_by(method, self.coarse),
            timed=self.timed if tight is None else moved_by(tight, self.timed),
            moved=True,
        )
        outside = moved._outside()
        if outside > MAX_OUTSIDE:
            reason = f"mass {outside:.3g} has left the box {list(self.grid.bounds)} by t = {t1:g}"
            if not self.scheme.may_leave:
                raise LeftTheBox(reason, "widen it, or pass Lagrangian(may_leave=True)", time=t1)
            if self._outside() <= MAX_OUTSIDE:
                warnings.warn(f"{reason}; `density` leaves it out, `node` and `vertex` do not", stacklevel=2)
        return moved

    def _outside(self) -> float:
        x, w = self.fine.x[0, : self._count], self.fine.w[: self._count]
        low, high = np.array(self.grid.bounds).T
        straight = [period is None for period in self._periods]
        return float(w[((x < low) | (x > high))[:, straight].any(axis=1)].sum())

    def _vertices(self) -> list[Array]:
        """The moved vertices of each patch, (n_1 + 1, …, n_d + 1, d)."""
        return _split(self.mesh, self.fine.x[0, self._count :])

    def probe(self, t: float) -> Array:
        """Velocities at the first nodes, (..., d)."""
        x, w = self.fine.x[:, :PROBES], np.full(min(PROBES, self._count), 1 / min(PROBES, self._count))
        return self.model.particle_velocity(t, x[:, : len(w)], w)

    def record(self) -> Mapping[str, Array]:
        """The density on the fixed grid, nodes and vertices, density and turned-over mass of the mesh, errors."""
        vertices = self._vertices()
        pairs = list(zip(self.mesh.patches, vertices, strict=True))
        masses, outside, displaced = self._cell_masses(vertices)
        out = {
            "density": masses / self.grid.cell_volumes,
            "outside_mass": np.array(max(0.0, outside)),
            "node": self.fine.x[0, : self._count],
            "space_error": np.hypot(self._space_error(vertices), displaced),
            "time_error": np.array(self._time_error()),
        }
        if pairs:
            drawn = [mean_density(patch.cell_mass, unwrapped(moved, self._periods)) for patch, moved in pairs]
            folded = sum(float(p.cell_mass[np.isnan(rho)].sum()) for (p, _), rho in zip(pairs, drawn, strict=True))
            out |= {"vertex": _stacked(vertices), "folded_mass": np.array(folded)}
            if self.grid.dim <= DRAWN:
                out["mesh_density"] = _stacked(drawn)
        return out

    def _cell_masses(self, vertices: list[Array]) -> Deposited:
        """What the grid's cells hold; before the first step the initial measure."""
        if not self.moved and not len(self.mesh.atoms):
            return Deposited(self.initial.masses, 0.0, 0.0)
        pushed = push_forward(self._moved_patches(vertices), self.grid, self._periods)
        mine = slice(self._count - len(self.mesh.atoms), self._count)
        atoms = laid(self.fine.x[0, mine], self.fine.w[mine], self.grid, self._periods)
        outside = pushed.outside + float(self.mesh.atom_masses.sum() - atoms.sum())
        return Deposited(pushed.masses + atoms, outside, pushed.displaced)

    def _moved_patches(self, vertices: list[Array]) -> list[Moved]:
        out, first = [], 0
        for patch, moved, (places, masses) in zip(self.mesh.patches, vertices, self.rules, strict=True):
            nodes, full = np.full_like(places, np.nan), masses > 0
            nodes[full] = self.fine.x[0, first : first + int(full.sum())]
            first += int(full.sum())
            out.append(Moved(patch, moved, places, nodes, masses))
        return out

    def _space_error(self, vertices: list[Array]) -> float:
        """A third of the distance of both meshes' flows at the middles of coarse cells, by the mass of the cells."""
        middles = self.coarse.x[0, int(np.count_nonzero(self.coarse.w)) :]
        mass = np.concatenate([np.empty(0), *(patch.cell_mass.ravel() for patch in self.coarse_mesh.patches)])
        return self._distance(_middles(self.mesh, vertices), middles, mass) / 3

    def _time_error(self) -> float:
        """The distance of the coarse nodes from where a finer method puts them; NaN where no finer one is known."""
        if finer(self.scheme.method, self.coarse_mesh.size) is None:
            return np.nan
        count = len(self.timed.w)
        return self._distance(self.timed.x[0], self.coarse.x[0, :count], self.timed.w)

    def _distance(self, points: Array, others: Array, mass: Array) -> float:
        """The root mean square distance of points from others by a mass, 0 where there are none."""
        if not len(points):
            return 0.0
        return float(np.sqrt(mass @ self.model.space.distance(points, others) ** 2 / mass.sum()))

    def series(self) -> Mapping[str, Series]:
        """What is recorded."""
        axes = tuple(f"x{k + 1}" for k in range(self.grid.dim))
        series = {
            "density": Series(("time", *axes), "cell averages of the density"),
            "outside_mass": Series(("time",), "mass outside the box"),
            "node": Series(("time", "point", "component"), "position of a node of the moved rule"),
            "space_error": Series(("time",), "root mean square error of the positions due to the mesh, estimated"),
            "time_error": Series(("time",), "root mean square error of the nodes due to the method, estimated"),
        }
        if self.mesh.patches:
            cell = ("time", *self._mesh_dims("c"))
            series["vertex"] = Series(("time", *self._mesh_dims("v"), "component"), "vertices of the moved mesh")
            if self.grid.dim <= DRAWN:
                series["mesh_density"] = Series(cell, "mean density of a moved cell, NaN where it has turned over")
            series["folded_mass"] = Series(("time",), "mass of the cells of the drawn mesh that have turned over")
        return series

    def _mesh_dims(self, letter: str) -> tuple[str, ...]:
        axes = tuple(f"{letter}{k + 1}" for k in range(self.grid.dim))
        return ("patch", *axes) if len(self.mesh.patches) > 1 else axes

    def static(self) -> Mapping[str, xr.Variable]:
        """The weights of the nodes and the masses of the material cells."""
        out = {"node_weight": variable("point", self.fine.w[: self._count], "mass of a node")}
        if self.mesh.patches:
            masses = _stacked([patch.cell_mass for patch in self.mesh.patches])
            source = "the law" if self.mesh.by_law else "cells of the grid, a staircase at the edge of the support"
            out["cell_mass"] = variable(self._mesh_dims("c"), masses, f"mass of a moved cell, cut from {source}")
        return out

    def call(self) -> Mapping[str, Any]:
        """The scheme and the law."""
        law = self.initial.source
        return {"scheme": self.scheme, "law": described(law) if isinstance(law, ProbabilityLaw) else None}

    def memo(self) -> Mapping[str, Any]:
        """What the method hands on in each of the three runs, the points that tell the errors, masses without a law."""
        memories = (part.memory for part in (self.fine, self.coarse, self.timed))
        memo: dict[str, Any] = {"memories": [None if m is None else m.tolist() for m in memories]}
        memo["error_points"] = [as_text(part.x[0]) for part in (self.coarse, self.timed)]
        if self.mesh.patches and not self.mesh.by_law:
            memo["initial_mass"] = as_text(self.initial.masses)
        return memo

    @classmethod
    def restore(cls, ds: xr.Dataset, call: Mapping[str, Any], memo: Mapping[str, Any]) -> Self:
        """The state at the last time of a Dataset."""
        grid, scheme = grid_of(ds), call["scheme"]
        if call["law"] is not None:
            initial = grid.measure(law_of(call["law"]))
        elif "initial_mass" in memo:
            initial = GridMeasure(grid, from_text(memo["initial_mass"]))
        else:
            cloud = EmpiricalMeasure(ds["node"].values, ds["node_weight"].values)
            initial = GridMeasure(grid, np.full(grid.shape, 1 / np.prod(grid.shape)), source=cloud)
        state = scheme.start(call["model"], initial, float(ds["time"]), Options())
        vertices = ds["vertex"].values.reshape(-1, grid.dim) if "vertex" in ds else np.empty((0, grid.dim))
        coarse, timed = map(from_text, memo["error_points"])
        at = (np.concatenate([ds["node"].values, vertices]), coarse, timed)
        solution, check, timed = (
            replace(part, x=x[None], memory=None if kept is None else np.array(kept))
            for part, x, kept in zip((state.fine, state.coarse, state.timed), at, memo["memories"], strict=True)
        )
        meshes = (state.mesh, state.coarse_mesh, state.rules)
        return cls(call["model"], scheme, initial, *meshes, solution, check, timed, True)


def _stacked(arrays: list[Array]) -> Array:
    """The arrays of all patches as one, without an axis of patches where there is one only."""
    return np.stack(arrays) if len(arrays) > 1 else arrays[0]


def _split(mesh: Material, vertices: Array) -> list[Array]:
    out, first = [], 0
    for patch in mesh.patches:
        shape = tuple(n + 1 for n in patch.shape)
        count = int(np.prod(shape))
        out.append(vertices[first : first + count].reshape(*shape, -1))
        first += count
    return out


def _middles(mesh: Material, vertices: list[Array]) -> Array:
    """Of the vertices of the mesh one inside each cell of the mesh with half as many cells, (v, d).

    A last cell that is no pair of cells, of a mesh with an odd number of them, has its far end in its place.
    """
    parts = []
    for patch, moved in zip(mesh.patches, vertices, strict=True):
        for k, n in enumerate(patch.shape):
            moved = np.take(moved, np.arange(1, n + 1, 2), axis=k)
        parts.append(moved.reshape(-1, moved.shape[-1]))
    return np.concatenate(parts) if parts else np.empty((0, mesh.atoms.shape[1]))
