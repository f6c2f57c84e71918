"""River 1, pure: from samples to a decision. No I/O, no clock, no randomness."""
