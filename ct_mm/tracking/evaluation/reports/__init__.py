"""Tables, plots and videos of what was scored."""
