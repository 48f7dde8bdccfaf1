"""A run: one loop of steps, what is built for it, and who watches it."""
