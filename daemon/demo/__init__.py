"""The demonstration: a governed system that is simulated, and the story of a daemon beside it."""
