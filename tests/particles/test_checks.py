"""Argument checks: what is accepted is clean, what is not gets an error that helps."""

import copy
import pickle
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from particles.checks import (
    MOST,
    Frozen,
    as_finite,
    as_generator,
    as_labels,
    as_matrix,
    as_path,
    as_points,
    as_times,
    as_weights,
    callable_name,
    count,
    flag,
    frozen,
    hold,
    not_negative,
    number,
    one_of,
    place,
    positive,
    whole,
)
from particles.errors import InvalidInput, LibraryError, TooLarge


class Refuses:
    """An array of another library that raises what it likes, as PyTorch does where a gradient is asked for."""

    def __array__(self, *args, **kwargs):
        raise RuntimeError("no number today")

    def __repr__(self):
        raise RuntimeError("no text either")


FINITE = st.floats(allow_nan=False, allow_infinity=False)
ANY = st.floats(allow_nan=True, allow_infinity=True)


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0), elements=ANY))
def test_as_finite_is_a_copy_or_a_refusal(array):
    if np.isfinite(array).all():
        out = as_finite(array, "a")
        assert out.dtype == np.float64
        np.testing.assert_array_equal(out, array)
        assert not np.shares_memory(out, array)
    else:
        with pytest.raises(InvalidInput, match="a must be finite") as caught:
            as_finite(array, "a")
        index = tuple(np.argwhere(~np.isfinite(array))[0])
        assert str(array[index]) in str(caught.value)


@pytest.mark.parametrize(
    "array",
    [
        [True, False],
        [1, 2],
        np.float32([1, 2]),
        (1.5, 2),
        range(3),
        np.array(3, object),
        7,
        Decimal("0.1"),
        [Fraction(1, 3), 2],
        np.array([Decimal(1), Fraction(1, 2), np.float32(3), True], object),
        np.longdouble([1, 2]),
        [np.array(1.0), np.array(2)],
        2**70,
    ],
)
def test_real_numbers_of_any_type_become_float64(array):
    out = as_finite(array, "a")
    assert out.dtype == np.float64
    np.testing.assert_array_equal(out, np.array(array, float))


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (1j, "complex"),
        ([1, 2 + 0j], "complex"),
        ("1.5", "'1.5'"),
        (["1", "2"], "<U1"),
        (np.array(["2026-01-01"], "M8[D]"), "datetime64"),
        (np.ma.masked_array([1.0, 2.0], [True, False]), "masked"),
        ([[1], [2, 3]], "inhomogeneous"),
        (None, "None"),
        ([1.0, None], "None"),
        ({"a": 1}, "'a': 1"),
        ({1, 2}, "{1, 2}"),
        (object(), "object"),
        (np.array(["1.5", 2.0], object), "'1.5', no real number"),
        (np.array([b"1.5"], object), "b'1.5', no real number"),
        (np.array([1.0, 2j], object), "2j, no real number"),
        ([np.array(1.0), np.array("2")], "<U"),
        ([np.ma.masked_array([1.0, 2.0], [False, True]), [3.0, 4.0]], "masked"),
        ([[[1.0]], (np.ma.masked_array([[1.0]], [[True]]))], "masked"),
        ([1.0, np.ma.masked], "masked"),
        ([[1.0, 2.0], [3.0, np.ma.masked]], "masked"),
        (Fraction(10**400), "too large"),
        (Decimal("sNaN"), "NaN"),
        (Refuses(), "no number today"),
        pytest.param(10**400, "array of real numbers", id="huge"),
    ],
)
def test_what_is_not_an_array_of_real_numbers(value, word):
    with pytest.raises(InvalidInput, match="must be") as caught:
        as_finite(value, "a")
    assert word in str(caught.value)
    assert "a " in str(caught.value)


def test_a_mask_that_hides_nothing_is_no_matter():
    assert as_finite(np.ma.masked_array([1.0, 2.0], [False, False]), "a").tolist() == [1, 2]


def test_an_error_is_one_of_the_library_s_and_a_value_error():
    with pytest.raises(ValueError, match="finite") as caught:
        as_finite(np.inf, "a")
    assert isinstance(caught.value, LibraryError)
    assert len(str(caught.value)) < 200


def test_long_values_are_shortened_in_messages():
    with pytest.raises(InvalidInput) as caught:
        as_finite(["x" * 1000], "a")
    assert len(str(caught.value)) < 200


@given(st.integers(1, 5), st.integers(1, 4))
def test_points_have_two_axes(n, d):
    x = np.arange(n * d, dtype=float).reshape(n, d)
    np.testing.assert_array_equal(as_points(x), x)
    np.testing.assert_array_equal(as_points(x[:, 0]), x[:, :1])
    with pytest.raises(InvalidInput, match=rf"dimension {d + 1}, got shape \({n}, {d}\): pass an array \(n, {d + 1}\)"):
        as_points(x, dim=d + 1)


@pytest.mark.parametrize("shape", [(), (0,), (0, 2), (2, 0), (1, 2, 3)])
def test_shapes_that_are_no_points(shape):
    with pytest.raises(InvalidInput, match=r"shape \(n, d\) with n, d ≥ 1"):
        as_points(np.zeros(shape))


MASSES = hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1e6))


@given(MASSES.filter(lambda m: m.sum() > 1e-6))
def test_weights_are_kept_and_checking_them_again_changes_no_bit(masses):
    w = as_weights(masses / masses.sum(), len(masses))
    assert abs(w.sum() - 1) < 1e-14
    np.testing.assert_allclose(w, masses / masses.sum(), rtol=1e-15)
    assert as_weights(w, len(w)).tobytes() == w.tobytes()


@given(st.integers(1, 200))
def test_no_weights_are_equal_weights(n):
    assert as_weights(None, n).tolist() == [1 / n] * n
    assert as_weights(np.full(n, 1 / n), n).tobytes() == as_weights(None, n).tobytes()


@given(MASSES.filter(lambda m: m.sum() > 1e-6), st.floats(2e-9, 1e3))
def test_masses_that_do_not_sum_to_one_are_refused(masses, excess):
    w = masses / masses.sum()
    for factor in (1 + excess, 1 / (1 + excess)):
        with pytest.raises(InvalidInput, match=r"weights must sum to 1 .*divide by their sum"):
            as_weights(w * factor, len(w))


@given(MASSES.filter(lambda m: m.sum() > 1e-6), st.floats(-9e-10, 9e-10))
def test_rounding_is_normalised_away(masses, excess):
    w = masses / masses.sum()
    out = as_weights(w * (1 + excess), len(w))
    assert abs(out.sum() - 1) < 1e-14
    np.testing.assert_allclose(out, w, rtol=1e-12)


@given(MASSES.filter(lambda m: len(m) > 1 and m.sum() > 1e-6), st.data())
def test_a_negative_weight_is_refused_however_small(masses, data):
    w = masses / masses.sum()
    i = data.draw(st.integers(0, len(w) - 1))
    w[i] = -data.draw(st.floats(5e-324, 1))
    with pytest.raises(InvalidInput, match=rf"non-negative, got weights\[{i}\] = -"):
        as_weights(w, len(w))


@pytest.mark.parametrize("w", [[0.5, 0.5], [[1.0]], 1.0, []])
def test_weights_of_another_shape(w):
    with pytest.raises(InvalidInput, match=r"weights must have shape \(3,\), one for each point"):
        as_weights(w, 3)


def test_weights_whose_sum_overflows():
    with pytest.raises(InvalidInput, match="must sum to 1"):
        as_weights([1.7e308, 1.7e308], 2)


@given(hnp.arrays(np.float64, st.integers(1, 12), elements=FINITE))
def test_times_increase_strictly(times):
    if (times[1:] > times[:-1]).all():
        np.testing.assert_array_equal(as_times(times), times)
    else:
        with pytest.raises(InvalidInput, match=r"strictly increasing, got times\[\d+\] = .* then times\[\d+\] = "):
            as_times(times)


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=4), elements=FINITE))
def test_matrices(M):
    np.testing.assert_array_equal(as_matrix(M, "M"), M)
    np.testing.assert_array_equal(as_matrix(M, "M", shape=(None, M.shape[1])), M)
    with pytest.raises(InvalidInput, match=r"M must be a matrix of shape \(any, \d+\), got shape"):
        as_matrix(M, "M", shape=(None, M.shape[1] + 1))


def test_a_scalar_is_a_small_matrix():
    assert as_matrix(2, "M").tolist() == [[2.0]]
    for value in ([1.0, 2.0], np.zeros((1, 1, 1)), np.zeros((0, 0)), np.zeros((2, 0))):
        with pytest.raises(InvalidInput, match="M must be a matrix of shape"):
            as_matrix(value, "M")


@given(ANY)
def test_positive(value):
    if value > 0 and np.isfinite(value):
        assert positive(value, "dt") == value
    else:
        with pytest.raises(InvalidInput, match="dt must be"):
            positive(value, "dt")


@pytest.mark.parametrize("value", [[1.0, 2.0], [1.0], "1", None, 1j])
def test_positive_is_one_number(value):
    with pytest.raises(InvalidInput, match="dt must be"):
        positive(value, "dt")


@pytest.mark.parametrize(
    "value", [Decimal("0.1"), Fraction(1, 10), np.float32(0.1), np.array(0.1), np.longdouble("0.1")]
)
def test_numbers_of_any_type_become_a_float(value):
    for check in (number, positive, not_negative):
        found = check(value, "dt")
        assert type(found) is float
        assert found == float(value)


def test_a_positive_number_too_small_for_float64_is_refused():
    with pytest.raises(InvalidInput, match=r"positive number, got Decimal\('1E-400'\)"):
        positive(Decimal("1e-400"), "dt")


@pytest.mark.parametrize("value", [100_000, 1e5, np.int8(100), Decimal(100), Fraction(100), np.array(100.0), True])
def test_whole_numbers_of_any_type_become_an_int(value):
    found = whole(value, "max_steps")
    assert type(found) is int
    assert found == value


def test_a_large_integer_keeps_all_its_digits():
    assert whole(2**70 + 1, "seed") == 2**70 + 1
    assert whole(np.int64(2**62 + 1), "seed") == 2**62 + 1


@pytest.mark.parametrize("value", [0, -1, 1.5, "3", None, [3], np.inf, 10**400])
def test_what_is_not_a_whole_number_of_at_least_one(value):
    with pytest.raises(InvalidInput, match="n must be"):
        whole(value, "n")


@pytest.mark.parametrize(("value", "size"), [(3, 3), (-4, 3), (0.5, 3)])
def test_a_place_lies_within_its_sequence(value, size):
    assert place(-1, size, "k") == -1
    with pytest.raises(InvalidInput, match="k must"):
        place(value, size, "k")


def test_a_flag_is_true_or_false():
    assert flag(np.bool_(True), "overwrite") is True
    for value in (1, "no", None, np.array([True, False])):
        with pytest.raises(InvalidInput, match="overwrite must be True or False"):
            flag(value, "overwrite")


class BytesPath:
    def __fspath__(self):
        return b"folder"


@pytest.mark.parametrize("url", ["s3://bucket/run.zarr", "memory://run", "file:///tmp/run", "s3:/bucket"])
def test_a_url_is_no_path_and_becomes_no_folder(url):
    with pytest.raises(InvalidInput, match="must be a path on this machine, got the URL"):
        as_path(url, "store")


def test_a_path_is_one_that_a_file_can_have():
    assert as_path("a/b", "store") == as_path(Path("a/b"), "store") == Path("a/b")
    for value in (1, None, b"a", BytesPath(), "", "a\0b", ["a"]):
        with pytest.raises(InvalidInput, match="store must be a path"):
            as_path(value, "store")


@pytest.mark.parametrize("rng", ["seed", -1, 1.5, np.random, np.ones((2, 2, 2)) / 2])
def test_where_no_random_numbers_come_from(rng):
    with pytest.raises(InvalidInput, match="rng must be a numpy Generator"):
        as_generator(rng)


def test_checks_do_not_depend_on_the_error_state_of_numpy():
    with np.errstate(all="raise"):
        assert as_finite([5e-324, 1e308], "a").tolist() == [5e-324, 1e308]
        with pytest.raises(InvalidInput, match="must be finite"):
            as_finite(np.longdouble("1e400"), "a")
        with pytest.raises(InvalidInput, match="must sum to 1"):
            as_weights([1.7e308, 1.7e308], 2)
        assert as_weights([1.0, 5e-324], 2).tolist() == [1.0, 5e-324]


@dataclass(frozen=True, eq=False)
class Held(Frozen):
    number: float
    matrix: np.ndarray
    several: tuple = ()
    own: np.ndarray = field(default_factory=lambda: np.zeros(2))

    def __post_init__(self):
        hold(self, number=positive(self.number, "number"), matrix=frozen(self.matrix))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_is_as_frozen_as_the_original(copied):
    held = Held(Fraction(1, 2), np.eye(2), (frozen(np.ones(2)), (frozen(np.ones(3)),)))
    for twin in (copied(held), copied(copied([held])[0])):
        assert type(twin.number) is float
        assert twin.number == 0.5
        for array in (twin.matrix, twin.several[0], twin.several[1][0]):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 7
        np.testing.assert_array_equal(twin.matrix, np.eye(2))
        # What was not frozen may be written on.
        twin.own[0] = 1


def test_a_string_option_names_what_is_valid():
    assert one_of("a", ("a", "b"), "limiter") == "a"
    with pytest.raises(InvalidInput, match=r"limiter must be one of 'a', 'b', got 'c'"):
        one_of("c", ("a", "b"), "limiter")


def test_frozen_arrays_cannot_be_written_and_share_nothing():
    original = np.eye(2)
    held = frozen(original)
    original[:] = 7
    assert held.tolist() == [[1, 0], [0, 1]]
    with pytest.raises(ValueError, match="read-only"):
        held[0, 0] = 3
    assert frozen(held) is held
    assert frozen(np.eye(3)[:, ::2]).flags.c_contiguous


def test_a_readable_name_of_a_function():
    assert callable_name(test_a_readable_name_of_a_function).endswith("test_checks.test_a_readable_name_of_a_function")


def test_a_count_of_what_is_kept_in_memory_is_bounded():
    assert count(MOST, "n") == MOST
    with pytest.raises(TooLarge, match="n must be at most 2147483648"):
        count(MOST + 1, "n")
    with pytest.raises(TooLarge):
        count(1e308, "n")
    with pytest.raises(InvalidInput):
        count(0, "n")


@pytest.mark.parametrize("labels", [[0, 1], ["a", "b"], [True, False], [0.5]])
def test_labels_are_numbers_or_text(labels):
    assert as_labels(labels, "groups").tolist() == labels


@pytest.mark.parametrize("wrong", [[[1], [1, 2]], [None], [np.nan, 1.0], np.array(["2020"], "M8[Y]"), 1j, b"x"])
def test_other_labels_are_refused(wrong):
    with pytest.raises(InvalidInput, match="groups must be"):
        as_labels(wrong, "groups")
