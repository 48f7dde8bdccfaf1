from isocortex.bmtk.builder.network import BioNetBuilder, NetworkBuilder

__all__ = ["BioNetBuilder", "NetworkBuilder"]
