"""Virtual experiments: what is changed in a circuit, and what follows from it."""
