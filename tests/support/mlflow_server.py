"""A real MLflow server, with or without gate, accounts and workspaces, and requests to it."""

import base64
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.site import wait_until
from xray_gate.cli.demo_site import free_port

_SECRET = "nobody-outside-this-test-knows-it"
_AUTH = """[mlflow]
default_permission = {permission}
database_uri = sqlite:///{folder}/users.db
admin_username = admin
admin_password = {secret}
grant_default_workspace_access = false
auth_cache_ttl_seconds = 600
"""


@dataclass(frozen=True)
class Account:
    """Who signs in, by MLflow's basic authentication."""

    name: str
    password: str = _SECRET

    def environment(self) -> dict[str, str]:
        """What MLflow's clients, and `xray-gate doctor`, sign in with."""
        return {"MLFLOW_TRACKING_USERNAME": self.name, "MLFLOW_TRACKING_PASSWORD": self.password}


ADMIN = Account("admin")


@dataclass(frozen=True)
class Answer:
    """What came back: the HTTP status, and the body as JSON, or as text under `text`."""

    code: int
    body: dict[str, Any]

    @property
    def message(self) -> str:
        return str(self.body.get("message", self.body.get("text", "")))


@dataclass(frozen=True)
class Caller:
    """Makes requests as any other program does: no MLflow in it."""

    address: str
    account: Account | None = None
    workspace: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, method: str, path: str, body: Any = None, *, raw: bytes = b"") -> Answer:
        """`body` goes into the query of a GET, else into JSON; `raw` is sent as it is, as JSON."""
        headers = {**self.headers}
        if self.account is not None:
            pair = f"{self.account.name}:{self.account.password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        if self.workspace is not None:
            headers["X-MLFLOW-WORKSPACE"] = self.workspace
        data = raw or None
        if raw:
            headers["Content-Type"] = "application/json"
        if body is not None and method == "GET":
            path = f"{path}?{urllib.parse.urlencode(body, doseq=True)}"
        elif body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(
            f"{self.address}{path}", data=data, headers=headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, _read(answer.read()))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _read(error.read()))


def _read(data: bytes) -> dict[str, Any]:
    text = data.decode(errors="replace")
    try:
        body = json.loads(text)
    except ValueError:
        return {"text": text}
    return body if isinstance(body, dict) else {"text": text}


@contextmanager
def mlflow_server(
    folder: Path,
    registry: str,
    *,
    backend: str | None = None,
    auth: str | None = None,
    workspaces: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """A server that is up as far as its /health says; yields its address.

    `registry` and `backend` are store URIs; without `backend`, runs are kept in `folder`. `auth` is
    the permission that everybody has where a server asks who they are (MLflow's basic-auth app).
    """
    port = free_port()
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", backend or f"sqlite:///{folder / 'runs.db'}"),
        *("--registry-store-uri", registry),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    settings = {"PYTHONWARNINGS": "ignore", **(environment or {})}
    if auth is not None:
        config = folder / "auth.ini"
        config.write_text(_AUTH.format(permission=auth, folder=folder, secret=_SECRET))
        settings["MLFLOW_AUTH_CONFIG_PATH"] = str(config)
        settings["MLFLOW_FLASK_SERVER_SECRET_KEY"] = _SECRET
        command += ["--app-name", "basic-auth"]
    if workspaces:
        command.append("--enable-workspaces")
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env={**os.environ, **settings},
            start_new_session=True,
        )
    caller = Caller(f"http://127.0.0.1:{port}")

    def is_up() -> bool:
        assert process.poll() is None, (folder / "server.log").read_text()[-2000:]
        try:
            return caller("GET", "/health").code == 200
        except OSError:
            return False

    try:
        wait_until(is_up, "the server answers no /health", 90)
        yield caller.address
    finally:
        # MLflow's server starts workers: the whole group must go.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=20)
