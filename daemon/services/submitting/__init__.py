"""Studies that programs ask for: taken in, run one after the other, told of."""
