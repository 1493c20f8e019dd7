import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_remark_7_9_has_two_limits():
    found = load("remark_7_9").main()
    # c from the scalar equation v' = v tanh v², written for log(e^{−t} v).
    scalar = solve_ivp(lambda t, y: np.tanh(np.exp(2 * (t + y))) - 1, (0, 15), [np.log(0.5)], rtol=1e-12, atol=1e-13)
    c = np.exp(scalar.y[0, -1])
    assert found.status == "conditional"
    np.testing.assert_allclose(found.limits, [[1.0, c], [1.0, -c]], atol=1e-7)
    assert found.limits[0, 1] == pytest.approx(0.1873767679, abs=1e-8)
    assert found.attention_rank()[-1] == 2


def test_tokens_on_faces_and_saddles():
    example = load("faces_and_saddles")
    face, saddle = example.face(), example.saddle()
    assert not face.known
    assert not saddle.known
    assert len(face.limit_set.points) == 9
    on_axis = face.token_distance[:, 4]
    assert on_axis[-1] == pytest.approx(0.14245, abs=1e-5)
    assert face.token_distance[:, 6].max() < 1e-9
    np.testing.assert_allclose(saddle.limit_set.matrix[1], 1 / 3, atol=1e-9)


def test_codimension_conjecture_on_a_few_matrices():
    counts = load("codimension").main(seeds=3, cases=((1, 2), (2, 3)))
    verdicts = [verdict for counter in counts.values() for _, verdict in counter.elements()]
    assert len(verdicts) == 6
    assert sum("fails" in verdict for verdict in verdicts) == 0
    assert sum("holds" in verdict for verdict in verdicts) >= 4
