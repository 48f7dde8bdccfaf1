"""Gates of a cortex that lives by its own connections: measured, judged, told."""
