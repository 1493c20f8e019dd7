"""What a velocity field is, and the algebra of fields."""
