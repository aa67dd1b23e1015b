"""How long a frame takes, measured in a process of its own, and a student planned by it."""
