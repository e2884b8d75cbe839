"""Who runs a command, as the machine says."""

import getpass
import os


def account() -> str:
    """The name of the account, or its number where it has no name, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
