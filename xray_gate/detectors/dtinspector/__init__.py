"""DTInspector, which asks whether a patch learned on confident training data carries over."""
