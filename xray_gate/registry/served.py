"""Places that a registrant names, as the MLflow server that we use hands them out."""

from urllib.parse import SplitResult, unquote, urlsplit

_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"


def split_place(uri: str) -> SplitResult:
    """The parts of a URI, whatever somebody wrote; its scheme is `none` where it has no parts."""
    try:
        return urlsplit(uri)
    except ValueError:
        # Brackets that are no IPv6 address.
        return SplitResult("none", "", "", "", "")


def served_place(server: str, uri: str) -> str | None:
    """`uri` as `mlflow-artifacts:/...`, or None where the server at `server` does not serve it.

    MLflow's client sends its credentials to the host that such a URI names.
    """
    if uri.startswith(f"{server}{_ARTIFACTS}"):
        uri = f"mlflow-artifacts:/{uri.removeprefix(server + _ARTIFACTS)}"
    parsed = split_place(uri)
    path = parsed.path.strip("/")
    same_server = parsed.netloc in ("", urlsplit(server).netloc)
    if parsed.scheme != "mlflow-artifacts" or not same_server or not _is_plain(parsed, path):
        return None
    return f"mlflow-artifacts:/{path}"


def _is_plain(uri: SplitResult, path: str) -> bool:
    """Whether a place is what it looks like: nothing that an HTTP client would turn into another.

    `..`, also as `%2e%2e`, would lead to the server's other endpoints.
    """
    decoded = unquote(path)
    return bool(
        path
        and not uri.query
        and not uri.fragment
        and "\\" not in decoded
        and decoded.isprintable()
        and not {"", ".", ".."} & set(decoded.split("/"))
    )
