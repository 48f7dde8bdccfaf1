"""What mechanisms and cable are compiled for: the vectors of this processor."""
