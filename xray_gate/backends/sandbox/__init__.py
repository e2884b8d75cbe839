"""What the model's process is shut in: bubblewrap, or Landlock and seccomp, or limits alone.

Everything here needs the standard library only, because the process runs it before it loads
anything else.
"""
