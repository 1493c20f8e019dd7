"""The file format: a call as JSON, there and back bitwise; what cannot be written down is named; nothing is run."""

import dataclasses
import json
import math
import sys
import types
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from user_fields import NoisyPull

import meanfield
import particles
from meanfield.schemes.base import Scheme
from particles import DiscreteMap, SelfAttention, VelocityField
from particles.encoding import _PUBLIC, INLINE, Encoder, decode, find_class, register
from particles.errors import StoreError
from particles.steppers.adaptive import Adaptive
from particles.steppers.method import Method
from particles.steppers.runge_kutta import RK4

PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text()
NESTED = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=8)
RAN = []


@dataclass(frozen=True, eq=False)
class Box(DiscreteMap):
    content: object
    content_0: object = None
    size: int = field(init=False, default=3)

    dim = 1

    def step(self, k, x, w, rng):
        return x


@dataclass(frozen=True)
class NoModel:
    command: str = ""

    def __post_init__(self):
        RAN.append(self.command)


@dataclass
class NotFrozen(DiscreteMap):
    command: str = ""
    dim = 1

    def __post_init__(self):
        RAN.append(self.command)

    def step(self, k, x, w, rng):
        return x


class Registered:
    """A virtual subclass: it has nothing of a model."""

    def __new__(cls, *arguments):
        RAN.append(arguments)
        return super().__new__(cls)


VelocityField.register(Registered)


def run_me(*arguments, **named):
    RAN.append(arguments)


class Namespace:
    content = NoModel

    @staticmethod
    def method():
        RAN.append("method")


def there_and_back(value):
    encoder = Encoder()
    text = json.dumps(encoder.encode(value, "value"), allow_nan=False)
    return decode(json.loads(text), bytes(encoder.data)), encoder


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


def test_numbers_that_json_lacks_come_back():
    back, _ = there_and_back((math.inf, -math.inf, math.nan))
    assert back[:2] == (math.inf, -math.inf)
    assert math.isnan(back[2])


@pytest.mark.parametrize("kind", ["bool", "int8", "uint16", "int32", "int64", "uint64", "float32", "float64", ">f8"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 4)])
@pytest.mark.parametrize("inline", [0, INLINE])
def test_arrays_come_back_bit_by_bit(kind, shape, inline, monkeypatch):
    monkeypatch.setattr("particles.encoding.INLINE", inline)
    array = np.random.default_rng(0).integers(0, 2, shape).astype(kind)
    back, encoder = there_and_back(array)
    assert back.tobytes() == array.astype(array.dtype.newbyteorder("=")).tobytes()
    assert (back.shape, back.dtype) == (array.shape, array.dtype.newbyteorder("="))
    assert len(encoder.data) == (0 if inline else array.nbytes)


def test_every_bit_of_a_float_survives():
    array = np.array([[np.pi, -0.0], [5e-324, 8e307], [np.nan, -np.inf]])
    back, _ = there_and_back((array, Box(array.T * 2)))
    assert back[0].tobytes() == array.tobytes()
    assert back[1].content.tobytes() == (array.T * 2).tobytes()


def test_large_arrays_stand_beside_the_text():
    small, large = np.arange(4.0), np.random.default_rng(0).normal(size=(70, 70))
    encoder = Encoder()
    text = json.dumps(encoder.encode((small, large, small, large), "value"))
    assert len(text) < 1000
    assert len(encoder.data) == 2 * large.nbytes
    back = decode(json.loads(text), bytes(encoder.data))
    assert [a.tobytes() for a in back] == [a.tobytes() for a in (small, large, small, large)]
    with pytest.raises(StoreError, match=r"config_data.*gone: keep it"):
        decode(json.loads(text))
    with pytest.raises(StoreError, match="cannot be read"):
        decode(json.loads(text), bytes(encoder.data[:-1]))


@pytest.mark.parametrize("method", [RK4(0.1), Adaptive(1e-6, 1e-9, 50)])
def test_methods_come_back_equal(method):
    assert there_and_back(method)[0] == method


def test_fields_that_are_no_arguments_are_left_out():
    assert there_and_back(Box(1))[0].size == 3


@pytest.mark.parametrize(
    "value",
    [np.sin, lambda t: t, object(), {"a": 1}, {1, 2}, NoModel(), np.array(["a"]), np.array([None]), 1j],
)
def test_what_cannot_be_written_down_is_named(value):
    encoder = Encoder()
    encoded = encoder.encode(Box((1, value)), "model")
    assert encoder.opaque[0].startswith("model_content_1 = ")
    with pytest.raises(StoreError, match=r"no file can hold.*call simulate or solve again"):
        decode(encoded)


def test_a_class_made_inside_a_function_cannot_be_found_again():
    @dataclass(frozen=True)
    class Local(DiscreteMap):
        dim: int = 1

        def step(self, k, x, w, rng):
            return x

    encoder = Encoder()
    encoder.encode(Local(), "model")
    assert "Local" in encoder.opaque[0]


# Names ---------------------------------------------------------------------------------------------------------------


def test_public_classes_are_found_by_their_public_names():
    assert Encoder().encode(RK4(0.1), "method") == {"name": "RK4", "fields": {"dt": 0.1}}
    assert find_class({"name": "RK4"}) is RK4
    assert find_class({"class": f"{__name__}:Box"}) is Box
    with pytest.raises(StoreError, match=r"RK5, no public name here: import meanfield"):
        find_class({"name": "RK5"})
    with pytest.raises(StoreError, match=r"nowhere:Box.*import nowhere first"):
        find_class({"class": "nowhere:Box"})
    with pytest.raises(StoreError, match="names no class"):
        find_class({})


def test_a_name_is_given_once():
    with pytest.raises(ValueError, match="'RK4' means"):
        register({"RK4": Adaptive})
    register({"RK4": RK4, "simulate": particles.simulate})
    assert "simulate" not in _PUBLIC


def _own_subclasses(cls):
    for sub in cls.__subclasses__():
        yield from _own_subclasses(sub)
        if sub.__module__.split(".")[0] in ("particles", "meanfield"):
            yield sub


NEVER_IN_A_RESULT = {
    "RungeKutta": "a base without stages",
    "GroupedField": "lives for one step",
    "Before": "lives for one save interval",
    "Carried": "lives for one save interval",
    "Frozen": "lives for one step",
    "FrozenField": "lives for one estimate",
    "Characteristics": "the result is relabelled as a run of its field",
}


def test_every_concrete_class_that_a_result_may_name_is_public():
    assert meanfield.solve
    missing = {
        sub.__name__
        for root in (VelocityField, DiscreteMap, Method, Scheme)
        for sub in _own_subclasses(root)
        if not sub.__abstractmethods__ and sub not in _PUBLIC.values()
    }
    assert missing <= set(NEVER_IN_A_RESULT)


# What a file must not make happen ------------------------------------------------------------------------------------

HOSTILE = {
    "a program": "subprocess:Popen",
    "a function": "os:system",
    "a function of ours": f"{__name__}:run_me",
    "a module": "os:path",
    "a dataclass that is no model": f"{__name__}:NoModel",
    "a dataclass of the library": "particles.encoding:Encoder",
    "a model that is not frozen": f"{__name__}:NotFrozen",
    "a class registered as a model": f"{__name__}:Registered",
    "a method of a class": f"{__name__}:Namespace.method",
    "a class through another": f"{__name__}:Namespace.content",
    "an attribute of a function": f"{__name__}:run_me.__globals__",
    "nothing": f"{__name__}:",
    "no module": ":NoModel",
    "dots": f"{__name__}:..",
    "the interpreter": "builtins:eval",
    "an abstract model": "particles.fields.field:VelocityField",
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("inside", [False, True])
def test_no_class_is_called_that_is_no_model(name, inside, tmp_path):
    sentinel = tmp_path / "ran"
    value = {"class": name, "fields": {"command": f"touch {sentinel}", "args": f"touch {sentinel}", "shell": True}}
    if inside:
        value = {"name": "SelfAttention", "fields": {"Q": value, "K": 1.0, "V": 1.0}}
    RAN.clear()
    with pytest.raises(StoreError):
        decode(value)
    assert RAN == []
    assert not sentinel.exists()


@pytest.mark.parametrize(
    "smuggled",
    [
        {"opaque": "os.system"},
        {"class": "os:system", "fields": {}},
        {"name": "Popen", "fields": {}},
        {"callable": "os:system"},
        [1, 2],
        {"shape": [1], "dtype": "object", "base64": "AAAAAAAAAAA="},
        {"shape": [1], "dtype": "O", "base64": "AAAAAAAAAAA="},
        {"shape": [2], "dtype": "float64", "base64": "AAAAAAAAAAA="},
        {"shape": [-1], "dtype": "float64", "base64": "AAAAAAAAAAA="},
        {"shape": [2**62, 2**62], "dtype": "float64", "base64": ""},
        {"shape": "1", "dtype": "float64", "base64": "AAAAAAAAAAA="},
        {"shape": [1], "dtype": ["f8"], "base64": "AAAAAAAAAAA="},
        {"shape": [1], "dtype": "float64", "base64": "!"},
        {"shape": [1], "dtype": "float64", "base64": 8},
        {"shape": [1], "dtype": "float64", "offset": -8},
        {"shape": [1], "dtype": "float64"},
        {"float": "1e400"},
        "os.system('touch ran')",
        None,
    ],
    ids=str,
)
@pytest.mark.parametrize("slot", ["Q", "tolerance", "A", "other"])
def test_no_field_can_carry_code(smuggled, slot):
    fields = {"Q": 1.0, "K": 1.0, "V": 1.0} | {slot: smuggled}
    if smuggled is None and slot in ("tolerance", "A"):
        assert decode({"name": "SelfAttention", "fields": fields}).dim == 1
        return
    with pytest.raises(StoreError):
        decode({"name": "SelfAttention", "fields": fields}, b"12345678")


def test_a_lazy_module_is_not_woken():
    class Lazy(types.ModuleType):
        def __getattr__(self, name):
            RAN.append(name)
            return Box

        def __getattribute__(self, name):
            RAN.append(name)
            return super().__getattribute__(name)

    sys.modules["lazy_for_test"] = Lazy("lazy_for_test")
    RAN.clear()
    try:
        with pytest.raises(StoreError, match="no class"):
            find_class({"class": "lazy_for_test:Box"})
        assert RAN == []
    finally:
        del sys.modules["lazy_for_test"]


def test_a_class_of_a_script_that_is_not_there_is_given_with_the_model():
    with pytest.raises(
        StoreError, match=r"no class of __main__ now; classes of a script .* resume\(store, model=\.\.\.\)"
    ):
        find_class({"class": "__main__:NotDefinedHere"})
    with pytest.raises(StoreError, match=r"no class of os now; give the model, resume\(store, model=\.\.\.\)"):
        find_class({"class": "os:NotDefinedHere"})


def test_nothing_is_imported_on_behalf_of_a_file():
    with pytest.raises(StoreError, match=r"import antigravity first, then try again, or give the model"):
        find_class({"class": "antigravity:Box"})
    assert "antigravity" not in sys.modules


def test_a_file_without_end_is_refused():
    value = 1
    for _ in range(5000):
        value = {"items": [value]}
    with pytest.raises(StoreError, match="nested too deeply"):
        decode(value)


def test_fields_of_a_user_s_model_are_checked():
    good = Encoder().encode(NoisyPull(), "model")
    assert good["class"] == "user_fields:NoisyPull"
    assert decode(good).D.tobytes() == NoisyPull().D.tobytes()
    with pytest.raises(StoreError, match="has no field 'command'"):
        decode({**good, "fields": {"command": "x"}})


def test_a_subclass_of_a_public_class_keeps_its_own_name():
    encoder = Encoder()
    encoded = encoder.encode(Mine(1.0, 1.0, 1.0), "model")
    assert encoded["class"] == f"{__name__}:Mine"
    assert type(decode(encoded)) is Mine
    assert not dataclasses.is_dataclass(Registered)


class Mine(SelfAttention):
    pass
