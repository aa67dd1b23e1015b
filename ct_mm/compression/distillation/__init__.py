"""One training step: the distiller, the path and its rate, the taps, the losses."""
