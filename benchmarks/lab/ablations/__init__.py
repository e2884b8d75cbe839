"""What Model X-ray's parameters and its probes do to its scores, as in the papers' ablations."""
