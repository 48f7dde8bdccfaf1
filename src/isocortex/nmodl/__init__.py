"""Mechanisms from NMODL: a mod file, as nmodl's parser reads it, becomes a Python file of ours."""
