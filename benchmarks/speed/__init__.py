"""What a scan costs beside the model alone, and what the gate adds to the registry."""
