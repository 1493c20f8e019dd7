import particles
from particles.catalogue import catalogue

NAMED = (
    "SelfAttention UnnormalizedAttention SinkhornAttention HardmaxAttention LinearAttention CausalAttention "
    "L2Attention OnSphere FeedForward Krause HegselmannKrause CuckerSmale Ensemble Vicsek PowerAttraction "
    "LogAttraction OnCircle Diffusion RescaledTransformer PairInteraction Confinement"
)


def test_all_models_are_listed_with_one_line_each():
    found = catalogue()
    assert sorted(NAMED.split()) == list(found)
    assert all(line.endswith(".") or ":" in line for line in found.values()), found
    assert max(map(len, found.values())) <= 120


def test_every_model_that_is_listed_is_exported():
    assert set(catalogue()) <= set(particles.__all__)
