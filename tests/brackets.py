"""What holds of every bracket."""


def contains(bracket, exact, diameter=1.0):
    """The exact solver itself rounds: W₂² to about 1e-15 diameter²."""
    slack = 4e-15 * diameter**2
    return bracket.lower**2 <= exact**2 + slack and exact**2 - slack <= bracket.upper**2
