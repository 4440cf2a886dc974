"""A client of any of the three engines with the standard library alone; a store's host need not have redis-py."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import Any, BinaryIO

# ssl.VERIFY_X509_PARTIAL_CHAIN, which has a name from Python 3.10 on: a certificate is trusted without its issuer.
_PARTIAL_CHAIN = 0x80000

# Who listens everywhere is asked on loopback.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class ReplyError(Exception):
    """The server answered with an error, e.g. `WRONGPASS ...`, `NOAUTH ...`, `LOADING ...`."""


class Connection:
    """One connection. Raises OSError when the server cannot be reached or goes away, ReplyError when it says no.

    With `certificate`, a file, it speaks TLS with a server that has this very certificate, whatever its name.
    """

    def __init__(self, host: str, port: int, timeout: float = 10.0, certificate: str | None = None) -> None:
        self._socket = socket.create_connection((host, port), timeout)
        if certificate:
            context = ssl.create_default_context(cafile=certificate)
            context.check_hostname = False
            context.verify_flags |= _PARTIAL_CHAIN
            self._socket = context.wrap_socket(self._socket)
        self._replies: BinaryIO = self._socket.makefile("rb")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._replies.close()
        self._socket.close()

    def call(self, *words: str) -> Any:
        """Run one command and return its reply: str, int, None or a list of these."""
        encoded = [word.encode() for word in words]
        request = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)
        self._socket.sendall(b"*%d\r\n%s" % (len(encoded), request))
        return self._reply()

    def info(self) -> dict[str, str]:
        """Every field of INFO."""
        lines = self.call("INFO").splitlines()
        return dict(line.partition(":")[::2] for line in lines if ":" in line)

    def config(self, name: str) -> str | None:
        """One answer of CONFIG GET; None when the server does not know the name."""
        answer = self.call("CONFIG", "GET", name)
        return str(answer[1]) if answer else None

    def _reply(self) -> Any:
        line = self._replies.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("the server closed the connection")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise ReplyError(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == "-1" else self._replies.read(int(rest) + 2)[:-2].decode(errors="replace")
        if kind == b"*":
            return None if rest == "-1" else [self._reply() for _ in range(int(rest))]
        return rest


def to_store(spec: Mapping[str, Any]) -> Connection:
    """A connection to the store of that specification from its own host. Raises OSError."""
    address = _LOOPBACK.get(spec["bind"], spec["bind"])
    return Connection(address, int(spec["port"]), certificate=spec.get("tls_cert_file"))
