"""Ways to move cell masses along a velocity field; stateless: masses in, masses out."""
