"""From boxes to numbers, by the rules of each benchmark: pure functions."""
