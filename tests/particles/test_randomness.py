"""Generators of runs: children, what is recorded of them, and their state in a store."""

import json

import numpy as np
import pytest
from user_fields import NoisyPull, PressedCtrlC, Shuffle

from particles import EulerMaruyama, resume, simulate
from particles.errors import Interrupted, InvalidInput, StoreError
from particles.randomness import restored_generator, saved_generator, spawned

KINDS = [np.random.PCG64, np.random.PCG64DXSM, np.random.Philox, np.random.SFC64, np.random.MT19937]
SEEDLESS = {
    "RandomState": lambda: np.random.RandomState(0),
    "its bits": lambda: np.random.default_rng(np.random.RandomState(0)),
    "Philox(key)": lambda: np.random.Generator(np.random.Philox(key=5)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_generator_goes_on_bitwise_and_has_the_same_children(kind):
    rng = np.random.Generator(kind(7))
    rng.standard_normal(3)
    rng.integers(5, dtype=np.uint32)
    rng.spawn(2)
    again = restored_generator(json.loads(json.dumps(saved_generator(rng))))
    np.testing.assert_array_equal(again.standard_normal(9), rng.standard_normal(9))
    np.testing.assert_array_equal(again.spawn(1)[0].random(5), rng.spawn(1)[0].random(5))


@pytest.mark.parametrize("make", SEEDLESS.values(), ids=SEEDLESS)
def test_a_generator_without_a_seed_sequence_is_seeded_anew_and_the_seed_recorded(make):
    x = np.zeros((3, 4, 2))
    first = simulate(NoisyPull(), x, [0, 1], EulerMaruyama(0.5), rng=make())
    again = simulate(NoisyPull(), x, [0, 1], EulerMaruyama(0.5), rng=make())
    np.testing.assert_array_equal(first.position, again.position)
    seed = int(first.attrs["seed_entropy"])
    np.testing.assert_array_equal(
        first.position, simulate(NoisyPull(), x, [0, 1], EulerMaruyama(0.5), rng=seed).position
    )
    assert not np.array_equal(first.position[0], first.position[1])
    # A second run with the same generator is another one.
    rng = make()
    pair = [simulate(NoisyPull(), x, [0, 1], EulerMaruyama(0.5), rng=rng).position.values for _ in range(2)]
    assert not np.array_equal(*pair)


def test_the_record_makes_the_generator_again():
    rng = np.random.Generator(np.random.Philox(3))
    text, (child,) = spawned(rng, 1)
    assert text == "3 bit_generator=Philox"
    expected = np.random.Generator(np.random.Philox(3)).spawn(1)[0]
    np.testing.assert_array_equal(child.random(4), expected.random(4))
    assert spawned(np.random.default_rng(3), 2)[0] == "3"


@pytest.mark.parametrize("rng", [*SEEDLESS.values(), lambda: np.random.Generator(np.random.SFC64(4))])
def test_a_run_of_any_generator_resumes_bitwise(rng, tmp_path):
    times = np.linspace(0, 1, 6)
    whole = simulate(NoisyPull(), np.zeros((2, 3, 2)), times, EulerMaruyama(0.1), rng=rng())
    PressedCtrlC.armed[:] = [True]
    with pytest.raises(Interrupted):
        simulate(
            PressedCtrlC(at=0.5), np.zeros((2, 3, 2)), times, EulerMaruyama(0.1), rng=rng(), store=tmp_path / "run.zarr"
        )
    np.testing.assert_array_equal(resume(tmp_path / "run.zarr").position, whole.position)


class Own(np.random.PCG64):
    pass


def test_a_bit_generator_that_is_not_numpy_s_is_refused():
    with pytest.raises(InvalidInput, match=r"bit generator of NumPy .* got Own: .*default_rng\(seed\)"):
        simulate(Shuffle(), np.zeros((2, 2)), [0, 1], rng=np.random.Generator(Own(1)))


def test_a_store_cannot_name_a_function_instead_of_a_generator():
    state = saved_generator(np.random.default_rng(1))
    for name in ("seed", "default_rng", "RandomState", "no_such_thing"):
        doctored = {**state, "bits": {**state["bits"], "bit_generator": name}}
        with pytest.raises(StoreError, match=r"names the bit generator .*PCG64"):
            restored_generator(doctored)
