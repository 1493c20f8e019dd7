import gc
import pickle
import weakref

from particles import PowerAttraction
from particles.fields.remembered import remembered


def test_a_value_is_made_once_for_a_field_and_a_key_and_goes_with_the_field():
    made = []

    @remembered
    def square(field, n):
        made.append(n)
        return field.exponent**n

    one, other = PowerAttraction(2.0), PowerAttraction(3.0)
    assert [square(one, 2), square(one, 2), square(one, 3), square(other, 2)] == [4.0, 4.0, 8.0, 9.0]
    assert made == [2, 3, 2]
    assert square(pickle.loads(pickle.dumps(one)), 2) == 4.0
    assert len(made) == 4
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None
