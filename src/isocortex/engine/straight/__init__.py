"""Straight-line code of one model for a GPU: voltages in registers, numbers in the code."""
