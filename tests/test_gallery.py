"""Every example runs, gives its pinned number, and draws what it promises."""

import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

EXAMPLES = Path(__file__).parents[1] / "examples"
matplotlib.use("Agg")

# Each number with the tolerance that the script's method allows it.
GALLERY = {
    "causal_attention": (4, 0),
    "circle": (1.0, 1e-6),
    "cucker_smale": (0.0027853613754511837, 1e-9),
    "hardmax": (7, 0),
    "hegselmann_krause": (11, 0),
    "krause": (4, 0),
    "l2_attention": (36, 0),
    # 1/(1/λ + 10) for the start that the script draws.
    "linear_attention": (0.09317856073005695, 1e-8),
    "log_attraction": (1.25, 1e-8),
    # The root of Σ_k w'(2R sin(πk/6)) sin(πk/6).
    "morse_ring": (0.18796645833342862, 1e-9),
    "multi_head": (3, 0),
    # √κ = 0.5 up to the noise of 2000 tokens, here pinned for its seed.
    "noisy_attention": (0.514091842277392, 1e-9),
    # I₁(4r)/I₀(4r) = r has the root 0.8315; 32 cells, first order where the density peaks, are 1 % below.
    "noisy_kuramoto": (0.8219849420429258, 1e-6),
    "power_attraction": (2.384000263948147, 1e-6),
    "rescaled_transformer": (0.0, 1e-13),
    "self_attention": (3, 0),
    "sinkhorn": (0.0, 1e-11),
    "sphere_sa": (6, 0),
    "sphere_usa": (0.6825561765937284, 1e-7),
    "time_dependent": (0.0, 1e-9),
    "transformer_block": (2.0, 0.02),
    "vicsek": (0.9874895148058118, 1e-9),
}


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(EXAMPLES / "gallery"), str(EXAMPLES), *sys.path])


def test_every_script_of_the_gallery_has_its_number():
    assert {path.stem for path in (EXAMPLES / "gallery").glob("*.py")} - {"pictures"} == set(GALLERY)


@pytest.mark.parametrize("name", GALLERY)
def test_gallery(name):
    script = import_module(name)
    ds = script.run()
    expected, tolerance = GALLERY[name]
    assert abs(script.number(ds) - expected) <= tolerance
    ax = Figure().subplots()
    assert script.draw(ds, ax) is not None
    assert ax.has_data()


def test_metastability():
    script = import_module("metastability")
    times = np.array([10.0, 40.0, 100.0])
    assert script.clusters(script.run(4.0, script.Adaptive(), times)).tolist()[1:] == [3, 2, 1]
    usa = [script.run(9.0, m, np.array([0.5, 1.0]), "none") for m in (script.Adaptive(), script.Euler(dt=0.1))]
    # At β = 9 the step of 0.1 is far beyond its limit of stability for USA: clusters never close.
    assert script.clusters(usa[0]).tolist()[1:] == [3, 3]
    assert script.clusters(usa[1])[1:].min() > 3


def test_sweep_beta():
    script = import_module("sweep_beta")
    with ThreadPoolExecutor(2) as pool:
        ds = script.run(betas=[0.5, 16.0], seeds=4, executor=pool)
    assert ds.identical(script.run(betas=[0.5, 16.0], seeds=4).assign_attrs(ds.attrs))
    # At β = 1/2 all tokens are one cluster at t = 30 (each of these draws); at β = 16 clusters still persist.
    mean, error = script.analysis(ds)
    assert mean[0] == 1.0
    assert mean[1] > 3.0
    assert error[0] == 0.0
    ax = Figure().subplots()
    assert script.draw(ds, ax) is not None
    assert len(script.BETAS) == 30


def test_phase_diagram():
    script = import_module("phase_diagram")
    table = script.fractions(2, betas=(0.0, 1.0), times=np.array([0.0, 20.0]), draws=3)
    np.testing.assert_array_equal(table[:, 1], 1.0)
    ax = Figure().subplots()
    assert script.draw(table, ax) is not None
    # β = 0: ρ' = 2(1 − ρ)((n − 1)ρ + 1)/n, so t = log(((n − 1)ρ + 1)/(1 − ρ))/2.
    n, rho = script.TOKENS, 1 - script.THRESHOLD
    np.testing.assert_allclose(script.equiangular_time(0.0), np.log(((n - 1) * rho + 1) / (1 - rho)) / 2, rtol=1e-10)
