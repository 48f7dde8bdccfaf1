"""Kernels that competed to become the GPU's engine, and what they are measured with.

C keeps the state of a block in shared memory for a window of steps, D is straight-line code of one
cell model with voltages in registers, in variants that the engine's own
(:mod:`isocortex.engine.straight`) has not; A, with the state in memory, is the engine's other one
and is timed with it. All are made of the same mechanisms and the same numbers of the cable.
"""
