"""Foreign text made fit for a message."""


def printable(text: str) -> str:
    """`text` in one line, without anything that could steer a terminal."""
    kept = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(kept.split())
