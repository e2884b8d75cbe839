"""What every message of a refusal owes to who reads it."""


def require(error: Exception, *parts: str, step: str = "; ", printable: bool = False) -> None:
    """Raise AssertionError where the message lacks one of `parts`, or shows control characters.

    `step`: what stands before the next step.
    """
    said = str(error)
    for part in (step, *parts):
        assert part in said, f"{part!r} is missing in {said!r}"
    assert said.isprintable() or not printable, repr(said)
