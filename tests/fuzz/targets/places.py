"""Places, names and durations that somebody else chose."""

from collections.abc import Mapping
from urllib.parse import unquote

from tests.fuzz.choosing import Choose, changed_bytes
from tests.fuzz.telling import require
from xray_gate.core.errors import InputError
from xray_gate.core.model_ref import parse_model_ref
from xray_gate.registry.served import served_place, split_place
from xray_gate.signing.statement import escaped_uri, resource_uri
from xray_gate.signing.wire import duration_of

WORDS = (
    *(b"mlflow-artifacts:/", b"runs:/", b"models:/", b"http://gate/", b"..", b"%2e%2e", b"%252e"),
    *(b"/api/2.0/mlflow-artifacts/artifacts/", b"[::1", b"\\", b"?", b"#", b"@", b"s3://", b"30d"),
)
_SERVER = "http://gate"


def target(data: bytes) -> None:
    """What a server is asked for is its own, and leads nowhere else."""
    text = data.decode("utf-8", "surrogateescape")
    split_place(text)
    place = served_place(_SERVER, text)
    if place is not None:
        prefix = "mlflow-artifacts:/"
        assert place.startswith(prefix)
        steps = unquote(place.removeprefix(prefix)).split("/")
        assert not {"", ".", ".."} & set(steps)
    for read in (parse_model_ref, duration_of):
        try:
            read(text)
        except InputError as error:
            require(error)
    assert resource_uri(text)
    assert escaped_uri(text).isascii()


def seeds() -> Mapping[str, bytes]:
    """As MLflow writes them."""
    found = (
        "mlflow-artifacts:/1/abc/artifacts/data",
        "mlflow-artifacts://gate/1/abc",
        f"{_SERVER}/api/2.0/mlflow-artifacts/artifacts/1/abc",
        "models:/signs/1",
        "runs:/abc/model",
        "s3://bucket/key",
        "file:///etc/passwd",
        "/etc/passwd",
        "http://[::1]:5000/x",
        "30d",
    )
    return {f"place-{at}": text.encode() for at, text in enumerate(found)}


def mutate(data: bytes, choose: Choose) -> bytes:
    """With a word put in, or other bytes."""
    if choose(2):
        at, word = choose(len(data) + 1), WORDS[choose(len(WORDS))]
        return data[:at] + word + data[at:]
    return changed_bytes(data, choose)
