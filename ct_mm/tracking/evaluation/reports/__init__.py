"""Tables, plots and videos of scores and tracks."""
