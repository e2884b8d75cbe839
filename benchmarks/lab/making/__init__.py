"""From a plan to models in a folder: jobs, what each implants, one model, many side by side."""
