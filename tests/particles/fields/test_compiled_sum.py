"""Which fields are compiled sums: those of exactly the known types, with constant matrices."""

import numpy as np
import pytest
from compiled_models import I3, MODELS, V

from particles import Diffusion, Ensemble, HardmaxAttention, Krause, SelfAttention, SinkhornAttention
from particles.errors import NotSupported
from particles.fields.compiled_sum import compiled_sum, pack
from particles.kernels.loops.packed_sums import DIAGONAL, FULL, STILL

FRAMES = {"attention": STILL, "rescaled by the identity": DIAGONAL, "rescaled": FULL, "heads in a frame": FULL}


@pytest.mark.parametrize("name", FRAMES)
def test_the_kind_of_frame(name):
    assert pack([compiled_sum(MODELS[name])]).form[1] == FRAMES[name]


def test_the_drift_of_a_frame_is_counted_once():
    """Terms whose value is the frame are written less the point, and each brings −A x with it."""
    for name, drift in (("heads in a frame", 0 * V), ("heads with a common value", -V), ("another frame", None)):
        model = MODELS[name]
        packed = pack([compiled_sum(model)])
        expected = model.frame if drift is None else drift
        np.testing.assert_array_equal(packed.drift.reshape(3, 3), expected)


class Doubled(SelfAttention):
    """A user's class, which computes its velocity otherwise."""

    def particle_velocity(self, t, x, w):
        return 2 * super().particle_velocity(t, x, w)


class Named(SelfAttention):
    """A user's class of the same velocity."""

    same_equation = True


def test_a_class_that_declares_the_same_equation_is_a_compiled_sum():
    assert compiled_sum(Named(I3, I3, V)).dim == 3


@pytest.mark.parametrize(
    "field",
    [
        Doubled(I3, I3, V),
        Doubled(I3, I3, V) + SelfAttention(I3, I3, V),
        Doubled(I3, I3, V).on_sphere(),
        SelfAttention(lambda t: (1 + t) * I3, I3, V),
        HardmaxAttention(I3, I3, V),
        SinkhornAttention(I3, I3, V),
        Krause(lambda s: np.exp(-s), dim=3),
        Diffusion(1.0, dim=3),
    ],
)
def test_other_fields_are_no_compiled_sums(field):
    with pytest.raises(NotSupported):
        compiled_sum(field)


def test_fields_of_several_forms_are_not_packed():
    with pytest.raises(NotSupported, match="different kinds"):
        pack([compiled_sum(MODELS["attention"]), compiled_sum(MODELS["short keys"])])
    fields = Ensemble((MODELS["attention"], SelfAttention(2 * I3, I3, V)))
    assert pack([compiled_sum(fields.of_run(r)) for r in range(2)]).queries.shape == (18,)
