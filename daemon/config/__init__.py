"""What an operator may write, read safely and judged before anything acts on it."""
