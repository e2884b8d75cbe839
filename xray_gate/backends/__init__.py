"""Back ends: open a model in a process of its own and ask it in batches."""
