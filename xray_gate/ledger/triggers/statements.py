"""The SQL files of this package, cut into statements."""

import re
from importlib import resources

CREATE = "create"
DROP = "drop"
_COMMENT = re.compile(r"^--.*\n?", re.MULTILINE)


def statements(dialect: str, what: str) -> list[str]:
    """The statements of `DIALECT.WHAT.sql`: blank lines separate them."""
    text = (resources.files(__package__) / f"{dialect}.{what}.sql").read_text()
    paragraphs = (_COMMENT.sub("", part).strip() for part in re.split(r"\n[ \t]*\n", text))
    return [part for part in paragraphs if part]
