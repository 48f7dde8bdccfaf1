"""A run: one loop of steps, what is built for it, and who watches it.

Named for what one holds of it, as ``isocortex.run`` is the function.
"""
