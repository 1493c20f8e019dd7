"""Whatever is wrong with an argument, a door of the particle layer answers with one error of the library."""

import warnings

import numpy as np
import pytest

import particles
from particles import (
    RK4,
    Adaptive,
    CausalAttention,
    Circle,
    CuckerSmale,
    Diffusion,
    EmpiricalMeasure,
    Ensemble,
    Euclidean,
    Euler,
    EulerMaruyama,
    FeedForward,
    HardmaxAttention,
    HegselmannKrause,
    Krause,
    L2Attention,
    LieTrotter,
    LinearAttention,
    LogAttraction,
    OnCircle,
    OnSphere,
    PowerAttraction,
    RescaledTransformer,
    SelfAttention,
    SoftmaxField,
    Sphere,
    StrangMarchuk,
    Torus,
    VelocityField,
    Vicsek,
    model_of,
    open_store,
    resume,
    simulate,
    write_netcdf,
)
from particles.errors import InvalidInput, LibraryError, NotSupported, StoreError
from particles.models.normalization import SinkhornAttention, UnnormalizedAttention

I2 = np.eye(2)
X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
MU = EmpiricalMeasure(X)
SA = SelfAttention(I2, I2, I2)
UNIT = X / np.linalg.norm(X, axis=1)[:, None]

WRONG = {
    "nan": np.nan,
    "inf": -np.inf,
    "complex": 1j,
    "text": "x",
    "bytes": b"x",
    "object": object(),
    "mapping": {},
    "empty": np.array([]),
    "no rows": np.zeros((0, 2)),
    "nan inside": np.array([[np.nan, 1.0], [1.0, 1.0]]),
    "complex array": 1j * np.ones((2, 2)),
    "words": np.array(["a", "b"]),
    "ragged": [[1, 2], [3]],
    "dates": np.array(["2020"], dtype="M8[Y]"),
    "four axes": np.ones((1, 2, 2, 2)),
    "too large for a float": 10**400,
}
"""What no argument below may be."""

ATTENTION = [
    (kind, {"Q": I2, "K": I2, "V": I2, "A": I2})
    for kind in (
        SelfAttention,
        SoftmaxField,
        HardmaxAttention,
        LinearAttention,
        CausalAttention,
        L2Attention,
        UnnormalizedAttention,
        SinkhornAttention,
    )
]
DOORS = [
    *ATTENTION,
    (SelfAttention, {"tolerance": 1e-3, "normalization": "softmax"} | {"Q": I2, "K": I2, "V": I2}),
    (SinkhornAttention, {"Q": I2, "K": I2, "V": I2, "tolerance": 1e-3, "max_iterations": 10}),
    (Diffusion, {"D": 0.1, "dim": 2}),
    (PowerAttraction, {"exponent": 1.0, "meeting_distance": 1e-9, "dim": 2}),
    (LogAttraction, {"chi": 1.0, "core": 0.1, "meeting_distance": 1e-9, "dim": 2}),
    (CuckerSmale, {"beta": 0.5, "strength": 1.0, "dim": 2}),
    (Vicsek, {"radius": 0.1, "noise": 0.1, "speed": 0.1, "box": 1.0}),
    (HegselmannKrause, {"radius": 1.0, "dim": 2}),
    (Krause, {"phi": np.exp, "radius": 1.0, "dim": 2}),
    (FeedForward, {"W": I2, "A": I2, "b": np.zeros(2), "activation": "relu"}),
    (RescaledTransformer, {"Q": I2, "K": I2, "V": I2, "dt": 0.1}),
    (Ensemble, {"fields": (SA, SA), "repeat": 1}),
    (Torus, {"periods": (1.0, 2.0)}),
    (OnSphere, {"field": SA}),
    (OnCircle, {"field": SA}),
    *((kind, {"dt": 0.1}) for kind in (Euler, RK4, EulerMaruyama, LieTrotter, StrangMarchuk)),
    (Adaptive, {"rtol": 1e-6, "atol": 1e-8, "max_steps": 10}),
    (EmpiricalMeasure, {"points": X, "weights": np.full(3, 1 / 3)}),
    (MU.push_forward, {"flow": np.negative}),
    (SA.in_frame, {"A": I2}),
    (SA.attention_matrix, {"t": 0.0, "x": X, "weights": np.full(3, 1 / 3)}),
    (simulate, {"model": SA, "x0": X, "times": [0, 0.1], "method": RK4(0.1), "weights": np.full(3, 1 / 3)}),
    (model_of, {"ds": None}),
    (write_netcdf, {"ds": None}),
]
FIELDS = [
    *(kind(I2, I2, I2) for kind, _ in ATTENTION if kind is not CausalAttention),
    SA + SA,
    PowerAttraction(2.0).in_frame(I2),
    SA.on_sphere(),
    PowerAttraction(1.0, dim=2),
    PowerAttraction(1.5, dim=2),
    PowerAttraction(4.0, dim=2),
    LogAttraction(1.0, dim=2),
    HegselmannKrause(1.0, dim=2),
    CuckerSmale(0.5, 1.0, dim=2),
    FeedForward(I2, I2, np.zeros(2)),
    Diffusion(0.1, dim=2),
]


def refused(door, arguments, name, wrong):
    # A time that does not matter may be left out, and these may be None; all else is needed.
    arguments = arguments | {name: wrong}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(LibraryError) as caught:
            door(**arguments)
    assert len(str(caught.value)) > 20


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize(
    ("door", "arguments", "name"),
    [(door, arguments, name) for door, arguments in DOORS for name in arguments],
    ids=[f"{door.__name__}({name})" for door, arguments in DOORS for name in arguments],
)
def test_a_door_answers_in_the_library_s_words(door, arguments, name, wrong, tmp_path):
    if door is write_netcdf:
        arguments = {"path": tmp_path / "run.nc"} | arguments
    refused(door, arguments, name, wrong)


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("name", ["t", "x", "mu"])
@pytest.mark.parametrize("field", FIELDS, ids=[repr(type(f).__name__) for f in FIELDS])
@pytest.mark.parametrize("question", ["velocity", "divergence"])
def test_what_a_field_is_asked_is_checked(field, question, name, wrong):
    x = UNIT if isinstance(field, OnSphere) else X
    refused(getattr(field, question), {"t": 0.0, "x": x, "mu": EmpiricalMeasure(x)}, name, wrong)


def test_every_field_of_the_list_answers_a_right_question():
    for field in FIELDS:
        x = UNIT if isinstance(field, OnSphere) else X
        assert field.velocity(0.0, x, EmpiricalMeasure(x)).shape == x.shape
        assert field.divergence(0.0, x, EmpiricalMeasure(x)).shape == (len(x),)


@pytest.mark.parametrize("wrong", [1, None, WRONG["object"], WRONG["empty"]], ids=["number", "none", "object", "array"])
@pytest.mark.parametrize("door", [resume, open_store])
def test_a_path_is_a_path(door, wrong):
    with pytest.raises(InvalidInput, match="must be a path"):
        door(wrong)


@pytest.mark.parametrize("field", FIELDS, ids=[repr(type(f).__name__) for f in FIELDS])
def test_a_measure_of_another_dimension_is_refused(field):
    with pytest.raises(InvalidInput, match="dimension 2"):
        field.velocity(0.0, UNIT, EmpiricalMeasure(np.ones((4, 3))))


def test_points_of_an_open_dimension_and_their_measure_agree():
    # Broadcasting would have made a sense of the two that nobody meant.
    with pytest.raises(InvalidInput, match="dimension 1"):
        PowerAttraction(1.5).velocity(0.0, [1.0, 2.0], MU)


def test_an_array_is_no_measure_and_the_error_says_what_to_write():
    with pytest.raises(InvalidInput, match=r"got ndarray: write EmpiricalMeasure\(points\)"):
        SA.velocity(0.0, X, X)


@pytest.mark.parametrize("weights", [[0.5, 0.5], [1.5, -0.5, 0.0], [np.nan, 0.5, 0.5]])
def test_a_measure_made_by_hand_is_checked(weights):
    class ByHand:
        points = X

    measure = ByHand()
    measure.weights = np.array(weights)
    with pytest.raises(InvalidInput, match=r"mu\.weights"):
        SA.velocity(0.0, X, measure)


def test_the_origin_has_no_tangent():
    with pytest.raises(InvalidInput, match="the origin"):
        SA.on_sphere().velocity(0.0, np.zeros((1, 2)), MU)


@pytest.mark.parametrize(
    ("normalization", "options", "words"),
    [
        ("none", {"tolerance": 1e-3}, ["UnnormalizedAttention", "tolerance", "leave tolerance out", "Q, K, V, A"]),
        ("none", {"max_iterations": 5}, ["max_iterations"]),
        ("sinkhorn", {"steps": 5}, ["SinkhornAttention", "steps", "Q, K, V, A, tolerance, max_iterations"]),
    ],
)
def test_a_normalization_has_its_own_parameters(normalization, options, words):
    with pytest.raises(NotSupported) as caught:
        SelfAttention(I2, I2, I2, normalization=normalization, **options)
    for word in (f"normalization={normalization!r}", *words):
        assert word in str(caught.value)


def test_parameters_of_a_normalization_arrive_by_place_and_by_name():
    assert SelfAttention(I2, I2, I2, None, 1e-3, normalization="sinkhorn").tolerance == 1e-3
    assert SelfAttention(I2, I2, I2, max_iterations=7, normalization="sinkhorn").max_iterations == 7
    assert SelfAttention(I2, I2, I2, tolerance=None, normalization="sinkhorn").tolerance == 1e-12
    with pytest.raises(NotSupported, match="tolerance"):
        SelfAttention(I2, I2, I2, None, 1e-3, normalization="none")


def test_every_public_class_is_in_the_list_of_doors():
    no_arguments = {Circle, Euclidean, Sphere, particles.Iterate}
    abstract = {VelocityField, particles.Derived, particles.DiscreteMap, particles.Space} | no_arguments
    classes = {value for name in particles.__all__ if isinstance(value := getattr(particles, name), type)}
    assert classes - abstract == classes & {door for door, _ in DOORS}


def test_a_folder_that_cannot_be_made_is_an_error_of_the_store(tmp_path):
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "run"
    with pytest.raises(StoreError, match="cannot be made"):
        simulate(SA, X, [0, 0.1], store=place)
    with pytest.raises(StoreError, match="cannot be made"):
        write_netcdf(simulate(SA, X, [0, 0.1]), place)
