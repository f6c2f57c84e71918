"""The loop: what happens in a cycle, and what people may ask of it."""
