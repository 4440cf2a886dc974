"""A stand-in for the Kubernetes API: enough of it that the real kubectl works, and no cluster.

It keeps objects in memory and answers in the shapes of the API reference (v1.32): discovery, get, list by labels,
create, delete, merge patch with generation and resourceVersion, and exec over WebSocket (v5.channel.k8s.io),
where the command runs as a process of this machine. What is not here answers 404, as a cluster without that kind would.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Any
from urllib.parse import parse_qs, urlsplit

Object = dict[str, Any]

# Group and version -> plural -> kind; all of them are namespaced.
KINDS = {
    "v1": {"pods": "Pod", "secrets": "Secret"},
    "apps/v1": {"deployments": "Deployment"},
    "batch/v1": {"jobs": "Job"},
    "autoscaling/v2": {"horizontalpodautoscalers": "HorizontalPodAutoscaler"},
    "keda.sh/v1alpha1": {"scaledobjects": "ScaledObject"},
}
_VERBS = ["create", "delete", "get", "list", "patch"]
_ACCEPT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


class RefusedError(Exception):
    """An answer other than success: its code, and the reason of the API's Status."""

    def __init__(self, code: HTTPStatus, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


class Objects:
    """What the cluster has, by plural and name. Every access holds `lock`."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.kept: dict[str, dict[str, Object]] = {plural: {} for kinds in KINDS.values() for plural in kinds}
        self.patches: list[tuple[str, str, Object]] = []  # in the order in which they came
        self._version = 0

    def list(self, plural: str, selector: str = "") -> list[Object]:
        wanted = dict(pair.split("=", 1) for pair in selector.split(",") if pair)
        with self.lock:
            return [one for one in self.kept[plural].values() if wanted.items() <= _labels(one).items()]

    def get(self, plural: str, name: str) -> Object:
        with self.lock:
            if name not in self.kept[plural]:
                raise RefusedError(HTTPStatus.NOT_FOUND, "NotFound", f'{plural} "{name}" not found')
            return self.kept[plural][name]

    def create(self, plural: str, created: Object) -> Object:
        with self.lock:
            name = created["metadata"]["name"]
            if name in self.kept[plural]:
                raise RefusedError(HTTPStatus.CONFLICT, "AlreadyExists", f'{plural} "{name}" already exists')
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            created["metadata"].update(namespace="erp", creationTimestamp=now, generation=1, uid=f"uid-{name}")
            self.kept[plural][name] = created
            return self.touch(created)

    def patch(self, plural: str, name: str, change: Object) -> Object:
        """RFC 7386, and a conflict where the change was made from an older version."""
        with self.lock:
            patched = self.get(plural, name)
            version = change.get("metadata", {}).pop("resourceVersion", None)
            if version not in (None, patched["metadata"]["resourceVersion"]):
                raise RefusedError(
                    HTTPStatus.CONFLICT, "Conflict", f'Operation cannot be fulfilled on {plural} "{name}"'
                )
            spec = json.dumps(patched.get("spec"))
            merge(patched, change)
            if json.dumps(patched.get("spec")) != spec:
                patched["metadata"]["generation"] += 1
            self.patches.append((plural, name, change))
            return self.touch(patched)

    def delete(self, plural: str, name: str) -> Object:
        with self.lock:
            return self.kept[plural].pop(self.get(plural, name)["metadata"]["name"])

    def touch(self, changed: Object) -> Object:
        self._version += 1
        changed["metadata"]["resourceVersion"] = str(self._version)
        return changed


def merge(into: Object, change: Object) -> None:
    for key, value in change.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def _labels(one: Object) -> dict[str, str]:
    found: dict[str, str] = one["metadata"].get("labels", {})
    return found


def serve(objects: Objects, execute: Callable[[str, list[str]], list[str]]) -> ThreadingHTTPServer:
    """The API on a free port of the loopback; `execute` says what a command in a pod is on this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            steps = parts.path.strip("/").split("/")
            if steps[-1] == "exec":
                self._exec(steps[-2], parse_qs(parts.query)["command"], "stdin" in asked)
            else:
                self._answer(lambda: discovered(steps) or self._read(steps, asked.get("labelSelector", "")))

        def do_POST(self) -> None:
            self._answer(self._create, HTTPStatus.CREATED)

        def do_PATCH(self) -> None:
            self._answer(self._patch)

        def do_DELETE(self) -> None:
            self._answer(lambda: objects.delete(*self._named()))

        def _named(self) -> tuple[str, str]:
            *_, plural, name = urlsplit(self.path).path.split("/")
            return plural, name

        def _read(self, steps: list[str], selector: str) -> Object:
            if steps[-1] in objects.kept and steps[-2] == "erp":
                version = next(version for version, kinds in KINDS.items() if steps[-1] in kinds)
                kind = f"{KINDS[version][steps[-1]]}List"
                items = objects.list(steps[-1], selector)
                return {"kind": kind, "apiVersion": version, "metadata": {"resourceVersion": "1"}, "items": items}
            if len(steps) < 2 or steps[-2] not in objects.kept:
                raise RefusedError(HTTPStatus.NOT_FOUND, "NotFound", "the server could not find the requested resource")
            return objects.get(steps[-2], steps[-1])

        def _create(self) -> Object:
            return objects.create(urlsplit(self.path).path.rpartition("/")[2], self._body())

        def _patch(self) -> Object:
            return objects.patch(*self._named(), self._body())

        def _body(self) -> Object:
            body: Object = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            return body

        def _answer(self, act: Callable[[], Object], code: HTTPStatus = HTTPStatus.OK) -> None:
            try:
                with objects.lock:
                    body = json.dumps(act()).encode()
            except RefusedError as refused:
                code = refused.code
                status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
                body = json.dumps({**status, "reason": refused.reason, "message": str(refused)}).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _exec(self, pod: str, command: list[str], with_stdin: bool) -> None:
            accept = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + _ACCEPT).encode()).digest()
            self.send_response(HTTPStatus.SWITCHING_PROTOCOLS)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Accept", base64.b64encode(accept).decode())
            self.send_header("Sec-WebSocket-Protocol", "v5.channel.k8s.io")
            self.end_headers()
            stdin = _read_stdin(self.rfile) if with_stdin else b""
            done = subprocess.run(execute(pod, command), input=stdin, capture_output=True, check=False)
            status: Object = {"metadata": {}, "status": "Success"}
            if done.returncode:
                cause = {"reason": "ExitCode", "message": str(done.returncode)}
                status = {
                    "metadata": {},
                    "status": "Failure",
                    "reason": "NonZeroExitCode",
                    "details": {"causes": [cause]},
                }
            for channel, content in ((1, done.stdout), (2, done.stderr), (3, json.dumps(status).encode())):
                _send(self.wfile, 2, bytes([channel]) + content)
            _send(self.wfile, 8, struct.pack("!H", 1000))
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def discovered(steps: list[str]) -> Object | None:
    """What kubectl asks first: which groups there are, and which kinds they have."""
    if steps == ["version"]:
        return {"major": "1", "minor": "32", "gitVersion": "v1.32.0-stand-in"}
    if steps == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"]}
    if steps == ["apis"]:
        groups = []
        for version in KINDS:
            if "/" in version:
                entry = {"groupVersion": version, "version": version.partition("/")[2]}
                groups.append({"name": version.partition("/")[0], "versions": [entry], "preferredVersion": entry})
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    version = "/".join(steps[1:])
    if version not in KINDS:
        return None
    resources = [
        {"name": plural, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": _VERBS}
        for plural, kind in KINDS[version].items()
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}


def _send(stream: BufferedIOBase, opcode: int, payload: bytes) -> None:
    """One frame of RFC 6455, not masked, as a server's are."""
    size = len(payload)
    head = bytes([0x80 | opcode])
    head += bytes([size]) if size < 126 else b"\x7e" + struct.pack("!H", size) if size < 65536 else b""
    stream.write((head if size < 65536 else head + b"\x7f" + struct.pack("!Q", size)) + payload)
    stream.flush()


def _read_stdin(stream: BufferedIOBase) -> bytes:
    """What the client sends on channel 0 until it closes that channel (255, 0) or everything."""
    received = b""
    while True:
        opcode, size = (byte & 0x7F for byte in stream.read(2))
        if size > 125:
            size = int.from_bytes(stream.read(2 if size == 126 else 8), "big")
        mask = stream.read(4)
        payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(stream.read(size)))
        if opcode & 0xF == 8 or payload[:2] == b"\xff\x00":
            return received
        if opcode & 0xF in (0, 2) and payload[:1] == b"\0":
            received += payload[1:]
