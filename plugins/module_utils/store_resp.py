"""A client of any of the three engines with the standard library alone; a store's host need not have redis-py."""

from __future__ import annotations

import socket
from typing import Any, BinaryIO


class ReplyError(Exception):
    """The server answered with an error, e.g. `WRONGPASS ...`, `NOAUTH ...`, `LOADING ...`."""


class Connection:
    """One connection. Raises OSError when the server cannot be reached or goes away, ReplyError when it says no."""

    def __init__(self, host: str, port: int, timeout: float = 10.0) -> None:
        self._socket = socket.create_connection((host, port), timeout)
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
