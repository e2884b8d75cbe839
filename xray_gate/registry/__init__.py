"""The gate itself: MLflow's SQL registry store with every write checked."""
