"""Where everything is: pure functions from a network to arrays, shared by all engines."""
