"""The use case: open a model, ask it, gather evidence, decide."""
