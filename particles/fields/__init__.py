"""What a velocity field is, and the algebra of fields."""

# Registers the restrictions that `on_sphere` and `on_circle` dispatch on.
from particles.fields import restriction as restriction
