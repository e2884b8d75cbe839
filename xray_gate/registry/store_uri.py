"""Registry URIs: `xray-gate+` in front of the database URI that MLflow would use."""

from xray_gate.core.errors import InputError

_PREFIX = "xray-gate+"
_DATABASES = ("sqlite", "postgresql", "postgresql+psycopg", "postgresql+psycopg2")


def database_uri(store_uri: str) -> str:
    """The database behind a gated registry URI; `InputError` for any other URI."""
    scheme, separator, _ = store_uri.partition("://")
    if not separator or scheme not in [f"{_PREFIX}{name}" for name in _DATABASES]:
        allowed = ", ".join(f"{_PREFIX}{name}://" for name in _DATABASES)
        raise InputError(
            f"{_without_password(store_uri)}: this is not a gated registry; it begins with one of "
            f"{allowed}"
        )
    return store_uri.removeprefix(_PREFIX)


def _without_password(uri: str) -> str:
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}...@{rest.rpartition('@')[2]}" if "@" in rest else uri
