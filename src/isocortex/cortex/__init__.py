"""The whole mouse cortex as a function of an atlas and of the wiring of V1."""
