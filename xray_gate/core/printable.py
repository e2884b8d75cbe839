"""Foreign text made fit for a message."""


def without_controls(text: str) -> str:
    """`text` with a space for each character that is not shown, or could steer a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def printable(text: str) -> str:
    """The same in one line, without spaces that stand beside each other."""
    return " ".join(without_controls(text).split())
