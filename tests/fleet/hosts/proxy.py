"""A caching proxy to the machine's package mirrors, and to nothing else, for hosts that have no way out.

It listens in the network namespace of the fleet's switch and connects from the machine's. Packages, and index files
named by their hash, never change, so they are kept; everything else is asked for anew. A host asks by plain http; where
the machine's own apt uses https, so does the proxy.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import shutil
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from tests.fleet.hosts.namespaces import enter_network
from tests.fleet.hosts.releases import connect

PORT = 3142
TIMEOUT = 120  # seconds
NOT_PASSED_ON = {"connection", "proxy-connection", "keep-alive", "transfer-encoding", "host", "date", "server"}
log = logging.getLogger("proxy")


class Proxy(ThreadingHTTPServer):
    """Keeps in `folder` what it fetches from `mirrors` (server -> scheme)."""

    daemon_threads = True

    def __init__(self, address: str, mirrors: dict[str, str], folder: Path, machine_network: int) -> None:
        self.mirrors = mirrors
        self.folder = folder
        self.machine_network = machine_network
        self._locks: dict[Path, Lock] = {}
        super().__init__((address, PORT), Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        enter_network(self.machine_network)  # of this thread only: what it opens from here on is the machine's
        super().process_request_thread(request, client_address)

    def lock(self, file: Path) -> Lock:
        """Two hosts that ask for the same file cause one download."""
        return self._locks.setdefault(file, Lock())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.scheme != "http" or address.netloc not in self.server.mirrors:
            self.send_error(403, "not one of this machine's package mirrors")
        elif address.path.endswith(".deb") or "/by-hash/" in address.path:
            file = self.server.folder / hashlib.sha256(self.path.encode()).hexdigest()
            with self.server.lock(file):
                if file.exists() or self._pass_on(address.netloc, address.path, keep=file):
                    self._send_file(file)
        else:
            self._pass_on(address.netloc, address.path)

    def _pass_on(self, server: str, path: str, keep: Path | None = None) -> bool:
        """Ask the mirror; True when its answer was kept and still has to be sent, else it was sent."""
        connection = connect(self.server.mirrors[server], server, TIMEOUT)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_PASSED_ON}
        if keep:  # the whole of it, whatever part the host has already
            headers = {name: value for name, value in headers.items() if "range" not in name.lower()}
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            if keep and answer.status == 200:
                _store(answer, keep)
                return True
            self._relay(answer)
        except (OSError, http.client.HTTPException) as error:
            self.close_connection = True
            log.warning("%s%s: %s", server, path, error)
            self.send_error(502, f"{server}: {error}")
        finally:
            connection.close()
        return False

    def _relay(self, answer: http.client.HTTPResponse) -> None:
        body = answer.read()
        self.send_response(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in NOT_PASSED_ON | {"content-length"}:
                self.send_header(name, value)
        if answer.status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_file(self, file: Path) -> None:
        with file.open("rb") as content:
            self.send_response(200)
            self.send_header("Content-Length", str(file.stat().st_size))
            self.end_headers()
            shutil.copyfileobj(content, self.wfile)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as it is called in the base class
        log.info("%s %s", self.client_address[0], format % arguments)


def _store(answer: http.client.HTTPResponse, file: Path) -> None:
    """Write the body under a passing name first, so that a file that is there is whole."""
    with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as partial:
        shutil.copyfileobj(answer, partial)
    if answer.length:  # what is still to come when the connection broke off
        Path(partial.name).unlink()
        raise http.client.IncompleteRead(b"", answer.length)
    Path(partial.name).rename(file)
