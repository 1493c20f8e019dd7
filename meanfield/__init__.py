"""Grid and measure layer: the continuity equation, distances, limits, studies."""
