"""A client of any of the three engines with the standard library alone; a store's host need not have redis-py."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping, Sequence
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
        self.send(words)
        return self.reply()

    def send(self, *commands: Sequence[str]) -> None:
        """Send commands at once; `reply` gives the reply of each, in order."""
        self._socket.sendall(b"".join(map(_encoded, commands)))

    @property
    def local(self) -> bool:
        """Whether the server is on this host: both ends of the connection have one address."""
        return bool(self._socket.getsockname()[0] == self._socket.getpeername()[0])

    def wait_at_most(self, seconds: float) -> None:
        """How long a reply may take; then, and only then, socket.timeout is raised."""
        self._socket.settimeout(seconds)

    def info(self) -> dict[str, str]:
        """Every field of INFO."""
        lines = self.call("INFO").splitlines()
        return dict(line.partition(":")[::2] for line in lines if ":" in line)

    def config(self, name: str) -> str | None:
        """One answer of CONFIG GET; None when the server does not know the name."""
        answer = self.call("CONFIG", "GET", name)
        return str(answer[1]) if answer else None

    def reply(self) -> Any:
        """The next reply, or message of a subscription."""
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
            return None if rest == "-1" else [self.reply() for _ in range(int(rest))]
        return rest


def _encoded(words: Sequence[str]) -> bytes:
    parts = [word.encode() for word in words]
    return b"*%d\r\n%s" % (len(parts), b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))


def to_store(spec: Mapping[str, Any]) -> Connection:
    """A connection to the store of that specification from its own host. Raises OSError."""
    address = _LOOPBACK.get(spec["bind"], spec["bind"])
    return Connection(address, int(spec["port"]), certificate=spec.get("tls_cert_file"))
