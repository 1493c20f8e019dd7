"""Velocity fields and discrete maps, one family a file."""
