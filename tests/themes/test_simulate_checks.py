"""What simulate refuses, each with the value, what is allowed and what to do."""

import numpy as np
import pytest
import xarray as xr

from particles import RK4, EmpiricalMeasure, Euler, SelfAttention, VelocityField, simulate
from particles.errors import InvalidInput, RunStopped, StoreError

I2 = np.eye(2)
MODEL = SelfAttention(I2, I2, I2)
X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])


class Returns(VelocityField):
    """A field that returns whatever it is told to."""

    dim = 2

    def __init__(self, result):
        self.result = result

    def velocity(self, t, x, mu):
        return self.result(x)


class ReturnsToParticles(Returns):
    def particle_velocity(self, t, x, w):
        return self.result(x)


def shifting(x):
    x += 1.0
    return x


@pytest.mark.parametrize("kind", [Returns, ReturnsToParticles])
@pytest.mark.parametrize(
    ("result", "words"),
    [
        (
            lambda x: np.full_like(x, np.nan),
            ["velocity", "t = 0", "run=0, particle=0, component=0", "nan", "[1.0, 0.0]"],
        ),
        (lambda x: np.where(x == -1, np.inf, x), ["particle=2", "inf", "start from other positions"]),
        (lambda x: x[..., :1], ["shape (1, 3, 2)", "(1, 3, 1)"]),
        (lambda x: x[..., :1, :], ["shape (1, 3, 2)", "(1, 1, 2)"]),
        (lambda x: x.astype(int), ["float array", "int64"]),
        (lambda x: 1j * x, ["float array", "complex128"]),
        (shifting, ["in place", "new array"]),
    ],
    ids=["nan", "inf", "thin", "short", "integers", "complex", "in place"],
)
@pytest.mark.parametrize("method", [None, RK4(0.1)], ids=["Adaptive", "RK4"])
def test_a_field_that_breaks_its_contract_is_refused_before_the_run(kind, result, words, method):
    with pytest.raises(InvalidInput) as caught:
        simulate(kind(result), X, [0, 1], method)
    for word in (kind.__name__, *words):
        assert word in str(caught.value)


def test_a_field_that_returns_a_list_is_refused():
    with pytest.raises(InvalidInput, match=r"float array.*list"):
        simulate(ReturnsToParticles(lambda x: x.tolist()), X, [0, 1])


NAN = X.copy()
NAN[1, 0] = np.nan


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"x0": NAN}, ["x0", "finite", "x0[1, 0] = nan", "repair"]),
        ({"x0": X[:, :1]}, ["x0", "(n, 2)", "(run, n, 2)", "(3, 1)"]),
        ({"x0": [1.0, 2.0]}, ["x0", "(n, 2)", "got shape (2,)"]),
        ({"x0": np.zeros((0, 2))}, ["x0", "(n, 2)", "(0, 2)"]),
        ({"x0": np.zeros((1, 1, 1, 2))}, ["x0", "(run, n, 2)", "(1, 1, 1, 2)"]),
        ({"x0": [[1, 2], [3]]}, ["x0", "array of real numbers"]),
        ({"x0": X.astype(str)}, ["x0", "real numbers", "<U"]),
        ({"x0": 1j * X}, ["x0", "real numbers", "complex"]),
        ({"x0": EmpiricalMeasure(X), "weights": [0.2, 0.3, 0.5]}, ["weights", "twice", "leave weights out"]),
        ({"weights": [0.5, 0.5]}, ["weights", "(3,)", "(2,)"]),
        ({"weights": [1.5, -0.5, 0.0]}, ["weights[1] = -0.5", "non-negative"]),
        ({"weights": [1, 1, 1]}, ["weights", "sum to 1", "3.0", "divide by their sum"]),
        ({"weights": [np.nan, 0.5, 0.5]}, ["weights[0] = nan", "finite"]),
        ({"times": [0, 1, 1]}, ["times", "strictly increasing", "times[1] = 1.0", "times[2] = 1.0"]),
        ({"times": [1, 0]}, ["times", "strictly increasing", "sort"]),
        ({"times": []}, ["times", "at least one", "(0,)"]),
        ({"times": 1.0}, ["times", "1-D", "()"]),
        ({"times": [0, np.inf]}, ["times[1] = inf", "finite"]),
        ({"model": lambda x: x}, ["model", "VelocityField", "DiscreteMap", "function"]),
        ({"model": SelfAttention}, ["model", "VelocityField"]),
        ({"rng": "seed"}, ["rng", "Generator", "integer", "'seed'"]),
        ({"rng": -1}, ["rng", "non-negative", "-1"]),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused(arguments, words, tmp_path):
    call = {"model": MODEL, "x0": X, "times": [0, 1], "store": tmp_path / "run.zarr"} | arguments
    with pytest.raises(InvalidInput) as caught:
        simulate(call.pop("model"), call.pop("x0"), call.pop("times"), **call)
    for word in words:
        assert word in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("Q", "K", "V", "words"),
    [
        (np.ones((2, 2)), np.ones((1, 2)), I2, ["Q (2, 2)", "K (1, 2)"]),
        (np.ones((1, 3)), np.ones((1, 3)), I2, ["(1, 3)", "d = 2"]),
        (I2, I2, np.ones((2, 3)), ["V", "square", "(2, 3)"]),
        (I2, [[1, np.nan], [0, 1]], I2, ["K[0, 1] = nan"]),
        ([1.0, 2.0], I2, I2, ["Q", "matrix", "(2,)"]),
        (I2, I2, np.zeros((0, 0)), ["V", "matrix", "(0, 0)"]),
    ],
)
def test_matrices_that_do_not_fit(Q, K, V, words):
    with pytest.raises(InvalidInput) as caught:
        SelfAttention(Q, K, V)
    for word in words:
        assert word in str(caught.value)


def test_a_matrix_that_turns_bad_on_the_way_names_its_time():
    model = SelfAttention(lambda t: I2 if t < 1 else I2 * np.nan, I2, I2)
    with pytest.raises(RunStopped, match=r"Q\(1\) must be finite") as caught:
        simulate(model, X, [0, 0.5, 2], Euler(0.5))
    assert caught.value.dataset.time.values.tolist() == [0, 0.5]


def test_a_store_that_exists_is_refused_before_any_work(tmp_path):
    store = tmp_path / "run.zarr"
    simulate(MODEL, X, [0, 1], store=store)
    called = []
    with pytest.raises(StoreError, match=r"exists.*another name.*resume.*overwrite=True"):
        simulate(Returns(lambda x: called.append(1)), X, [0, 1], store=store)
    assert not called


def test_named_dims_of_the_start_are_put_in_order_or_refused():
    x0 = np.random.default_rng(0).standard_normal((2, 3, 4))
    named = xr.DataArray(x0, dims=("run", "particle", "component"))
    whole = simulate(VelocityOne(), x0, [0.0, 1.0], RK4(0.5))
    turned = simulate(VelocityOne(), named.transpose("component", "run", "particle"), [0.0, 1.0], RK4(0.5))
    np.testing.assert_array_equal(turned["position"], whole["position"])
    again = simulate(VelocityOne(), whole["position"].isel(time=-1), [1.0, 2.0], RK4(0.5))
    np.testing.assert_array_equal(again["position"][:, 0], whole["position"][:, -1])
    for wrong, words in (
        (named.rename(particle="token"), r"has the dims \('run', 'token', 'component'\)"),
        (named.isel(component=0), r"has the dims \('run', 'particle'\)"),
        (named.isel(run=0, particle=0), r"has the dims \('component',\)"),
        (named.assign_coords(particle=[7, 8, 9]), "has a coordinate 'particle' of its own"),
        (whole["position"].isel(time=-1, particle=slice(1, None)), "has a coordinate 'particle' of its own"),
    ):
        with pytest.raises(InvalidInput, match=words):
            simulate(VelocityOne(), wrong, [0.0, 1.0])


def test_lazy_arrays_are_refused_for_every_argument():
    dask = pytest.importorskip("dask.array")
    x0 = np.ones((3, 2))
    for lazy in (dask.from_array(x0), xr.DataArray(x0, dims=("particle", "component")).chunk()):
        with pytest.raises(InvalidInput, match=r"x0 is a lazy array of shape \(3, 2\): pass x0.compute\(\)"):
            simulate(VelocityOne(), lazy, [0.0, 1.0])
        with pytest.raises(InvalidInput, match=r"points is a lazy array"):
            EmpiricalMeasure(lazy)
    with pytest.raises(InvalidInput, match="weights is a lazy array"):
        simulate(VelocityOne(), x0, [0.0, 1.0], weights=dask.ones(3))


class VelocityOne(VelocityField):
    dim = None

    def velocity(self, t, x, mu):
        return np.ones_like(x)
