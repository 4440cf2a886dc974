"""Talks to a supervisord over its unix socket, with the standard library alone."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from collections.abc import Callable
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.process_manager import Process, ProcessManager

# Faults of supervisor's XML-RPC interface, http://supervisord.org/api.html
_NOT_RUNNING, _ALREADY_STARTED, _ALREADY_ADDED = 70, 60, 90


class _UnixConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(30)
        try:
            connection.connect(self.host)
        except OSError:
            connection.close()
            raise
        self.sock = connection


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        connection = _UnixConnection(self._path)
        self._connection = (host, connection)  # where close() finds it
        return connection

    def single_request(self, *arguments: object, **options: object) -> object:
        """One request on a connection of its own: supervisord would keep it open for ever."""
        try:
            return super().single_request(*arguments, **options)  # type: ignore[arg-type]
        finally:
            self.close()


class Supervisor(ProcessManager):
    """The processes of one supervisord. Raises OSError when its socket cannot be reached."""

    def __init__(self, socket_path: str) -> None:
        proxy: Any = xmlrpc.client.ServerProxy("http://supervisor", transport=_UnixTransport(socket_path))
        self._rpc = proxy.supervisor

    def processes(self) -> list[Process]:
        return [
            Process("{0[group]}:{0[name]}".format(info), info["statename"], info["pid"], info["start"])
            for info in self._rpc.getAllProcessInfo()
        ]

    def stop(self, name: str) -> None:
        """Ask for a stop and return at once; supervisord kills it only after its own stopwaitsecs."""
        self._ignoring(_NOT_RUNNING, self._rpc.stopProcess, name, False)

    def start(self, name: str) -> None:
        self._ignoring(_ALREADY_STARTED, self._rpc.startProcess, name, False)

    def signal(self, name: str, signal: str) -> None:
        self._rpc.signalProcess(name, signal)

    def tail(self, name: str) -> str:
        """The end of what the process printed."""
        text: str = self._rpc.tailProcessStdoutLog(name, 0, 4000)[0]
        return text

    def update(self, only: set[str] | None = None, timeout: float = 60) -> tuple[list[str], list[str], list[str]]:
        """Read the configuration again and act on it, as `supervisorctl update` does, for all groups or `only` some.

        Returns the groups that were added, changed and removed. Raises TimeoutError when one did not stop in time.
        """
        added, changed, removed = (
            [group for group in groups if only is None or group in only] for groups in self._rpc.reloadConfig()[0]
        )
        for group in [*changed, *removed]:
            self.stop_group(group, timeout)
            self._rpc.removeProcessGroup(group)
        for group in [*added, *changed]:
            self._ignoring(_ALREADY_ADDED, self._rpc.addProcessGroup, group)
        return added, changed, removed

    def stop_group(self, group: str, timeout: float) -> None:
        """Stop every process of a group. Raises TimeoutError when one is still there after `timeout` seconds."""
        self._rpc.stopProcessGroup(group, False)
        names = {process.name for process in self.processes() if process.group == group}
        late = self.wait(names, {"STOPPED", "EXITED", "FATAL"}, timeout)
        if late:
            raise TimeoutError("{0.name} is still {0.state} {1:g} s after it was told to stop".format(late[0], timeout))

    @staticmethod
    def _ignoring(code: int, call: Callable[..., Any], *arguments: object) -> None:
        try:
            call(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != code:
                raise
