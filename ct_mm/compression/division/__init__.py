"""Which layers belong to which stage, and how a model is divided in place."""
