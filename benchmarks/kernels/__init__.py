"""Kernels that compete to become the GPU's engine, and what they are measured with.

A keeps the state in memory (it is the package's own), C keeps that of a block in shared memory for
a window of steps, D is straight-line code of one cell model with voltages in registers. All three
are made of the same mechanisms and the same numbers of the cable.
"""
