"""A look at the files of a model before anything of them is loaded.

Runs in the scan's own process on files that an attacker may have made: nothing is unpickled or
executed, memory and time have bounds, and nothing recurses without a limit. What cannot be looked
into is refused. A filter before the model's own process, not a proof.
"""
