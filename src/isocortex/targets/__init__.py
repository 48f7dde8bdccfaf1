"""What mechanisms and cable are compiled for: this processor's vectors, or a GPU's threads."""
