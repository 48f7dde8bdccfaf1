from isocortex.bmtk.simulator.bionet.default_setters import cell_models

__all__ = ["cell_models"]
