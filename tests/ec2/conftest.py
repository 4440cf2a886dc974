"""AWS over real HTTP: moto's server, and credentials that are good nowhere else."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import botocore
import pytest
from moto.server import ThreadedMotoServer
from tests.ec2.recorder import sitecustomize

from benchfly.aws import policy

botocore.register_initializer(sitecustomize.listen)

REGION = "eu-central-1"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "lab: builds labs again and again; `make ec2-test` asks for it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    asked_for = any("tests/ec2" in word for word in config.args)
    for item in items:
        if item.get_closest_marker("lab") and not asked_for:
            item.add_marker(pytest.mark.skip(reason="builds labs, for a minute or two: `make ec2-test` asks for it"))


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """The address of moto's server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those of a test, whatever this machine has of its own."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], set[str]]]:
    """The calls to AWS so far that are not the test's own, of its process and of those that it starts.

    Whatever a test does, each of them must be in the table that policies are made of.
    """
    file = tmp_path / "calls"
    monkeypatch.setenv(sitecustomize.CALLS, str(file))
    monkeypatch.setenv("PYTHONPATH", str(Path(sitecustomize.__file__).parent))

    def calls() -> set[str]:
        return set(file.read_text().split()) if file.exists() else set()

    yield calls
    assert calls() <= {call.call for use in policy.uses().values() for call in use.calls}


@pytest.fixture
def account(
    moto_server: str, credentials: None, recorded: Callable[[], set[str]], monkeypatch: pytest.MonkeyPatch
) -> str:
    """An empty account, at the address that every client of AWS takes from AWS_ENDPOINT_URL."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server)
    urllib.request.urlopen(urllib.request.Request(f"{moto_server}/moto-api/reset", method="POST"), timeout=30)
    return moto_server


@pytest.fixture
def answering(
    request: pytest.FixtureRequest, credentials: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[int]]:
    """An endpoint that gives every request the same answer, (status, code); the requests so far.

    moto refuses nothing by itself: what it cannot be made to say is said here in AWS's own form.
    """
    status, code = request.param
    seen: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            seen.append(status)
            error = f"<Error><Code>{code}</Code><Message>as told.</Message></Error>"
            s3 = self.headers.get("x-amz-content-sha256") or self.command == "GET"
            body = (error if s3 else f"<Response><Errors>{error}</Errors><RequestID>1</RequestID></Response>").encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = _answer  # noqa: N815, the names are http.server's

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    yield seen
    server.shutdown()
    server.server_close()
