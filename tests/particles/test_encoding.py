"""A call as JSON and arrays, there and back; what cannot be written down is named."""

import json
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from particles.encoding import Encoder, class_name, decode, find_class
from particles.errors import StoreError
from particles.steppers.adaptive import Adaptive
from particles.steppers.runge_kutta import RK4

PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text()
NESTED = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=8)


@dataclass(frozen=True, eq=False)
class Box:
    content: object
    content_0: object = None
    size: int = field(init=False, default=3)


def there_and_back(value):
    encoder = Encoder()
    text = json.dumps(encoder.encode(value, "value"))
    return decode(json.loads(text), encoder.arrays), encoder


@given(NESTED)
def test_plain_values_and_tuples_come_back(value):
    back, encoder = there_and_back(value)
    assert back == value
    assert encoder.opaque == []


def test_numbers_of_numpy_come_back_as_python_s():
    assert there_and_back(np.int64(3))[0] == 3
    assert there_and_back(np.bool_(True))[0] is True
    assert there_and_back(np.float64(0.1))[0] == 0.1
    assert there_and_back(np.float32(0.5))[0] == 0.5


def test_arrays_travel_beside_the_text_bit_by_bit():
    array = np.array([[np.pi, -0.0], [5e-324, 8e307]])
    back, encoder = there_and_back((array, Box(array * 2)))
    assert back[0].tobytes() == array.tobytes()
    assert back[1].content.tobytes() == (array * 2).tobytes()
    assert list(encoder.arrays) == ["value_0", "value_1_content"]


def test_names_that_meet_do_not_overwrite_each_other():
    back, encoder = there_and_back(Box((np.zeros(2),), np.ones(2)))
    assert back.content[0].tolist() == [0, 0]
    assert back.content_0.tolist() == [1, 1]
    assert len(encoder.arrays) == 2


@pytest.mark.parametrize("method", [RK4(0.1), Adaptive(1e-6, 1e-9, 50)])
def test_methods_come_back_equal(method):
    assert there_and_back(method)[0] == method


def test_fields_that_are_no_arguments_are_left_out():
    assert there_and_back(Box(1))[0].size == 3


@pytest.mark.parametrize("value", [np.sin, lambda t: t, object(), {"a": 1}, {1, 2}])
def test_what_cannot_be_written_down_is_named(value):
    encoder = Encoder()
    encoded = encoder.encode(Box((1, value)), "model")
    assert encoder.opaque[0].startswith("model_content_1 = ")
    with pytest.raises(StoreError, match=r"no file can hold.*call simulate or solve again"):
        decode(encoded, encoder.arrays)


def test_a_class_made_inside_a_function_cannot_be_found_again():
    @dataclass(frozen=True)
    class Local:
        a: int = 1

    encoder = Encoder()
    encoder.encode(Local(), "model")
    assert "Local" in encoder.opaque[0]


def test_classes_are_found_by_name():
    assert find_class(class_name(RK4)) is RK4
    assert find_class(class_name(Box)) is Box
    with pytest.raises(StoreError, match=r"nowhere:Box: import nowhere first"):
        find_class("nowhere:Box")
    with pytest.raises(StoreError, match=r"RK5, which particles.steppers.runge_kutta does not define"):
        find_class("particles.steppers.runge_kutta:RK5")
    with pytest.raises(StoreError, match="does not define"):
        find_class("particles.steppers.iterate:default_method")


def test_nothing_is_imported_on_behalf_of_a_file():
    with pytest.raises(StoreError, match="import antigravity first"):
        find_class("antigravity:Box")
