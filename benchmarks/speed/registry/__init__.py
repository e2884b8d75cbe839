"""What the gate adds to MLflow's registry, and how it grows."""
