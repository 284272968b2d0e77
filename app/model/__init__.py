"""Values and rules of the observatory: no I/O, no Qt."""
