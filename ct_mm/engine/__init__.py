"""What ct_mm adds to MMEngine, for a training of any model. Importing it imports nothing else."""
