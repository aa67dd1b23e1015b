"""What a student's layer starts from: copied, of another shape, or fitted."""
