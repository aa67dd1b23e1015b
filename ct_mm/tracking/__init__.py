"""Single-object tracking in MMEngine: models, data, evaluation and inference; it knows no compression."""
