"""The surfaces that hold the values of rules, one module each."""
