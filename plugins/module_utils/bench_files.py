"""A bench's folder: its configuration, its identity, and files that a crash leaves whole, old or new."""

from __future__ import annotations

import ast
import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# Keys of common_site_config.json that name a store, by the purpose they serve.
# Frappe v14 publishes realtime events on redis_socketio, v15 and later on redis_queue.
CACHE_KEY, QUEUE_KEY, SOCKETIO_KEY = "redis_cache", "redis_queue", "redis_socketio"
PURPOSE_KEYS = {"cache": CACHE_KEY, "queue": QUEUE_KEY}


class BenchError(Exception):
    """The bench folder is not what a bench folder must be; the message names the file."""


@dataclass(frozen=True)
class Bench:
    """One bench folder on this host."""

    path: Path

    @property
    def common_site_config(self) -> Path:
        return self.path / "sites" / "common_site_config.json"

    def config(self) -> dict[str, Any]:
        """The bench-wide configuration. Raises BenchError when the file is missing or is not a JSON object."""
        return read_json_object(self.common_site_config)

    def site_configs(self) -> dict[str, dict[str, Any]]:
        """Every site's own configuration, by site name."""
        return {path.parent.name: read_json_object(path) for path in sorted(self.path.glob("sites/*/site_config.json"))}

    def databases(self) -> list[str]:
        """The sites' `db_name`s, which the names of their cache keys begin with."""
        return [config["db_name"] for config in self.site_configs().values() if config.get("db_name")]

    def persistent_cache_keys(self) -> list[str]:
        """Beginnings of the cache keys that the apps' hooks want spared when a cache is cleared.

        Read as text, since importing an app has effects; what is no literal there cannot be known.
        """
        found: list[str] = []
        for path in sorted(self.path.glob("apps/*/*/hooks.py")):
            text = path.read_text(encoding="utf-8")
            listed = re.search(r"^persistent_cache_keys\s*=\s*(\[.*?\])", text, re.MULTILINE | re.DOTALL)
            try:
                names = ast.literal_eval(listed.group(1)) if listed else []
            except (ValueError, SyntaxError):
                continue
            found += [name for name in names if isinstance(name, str)]
        return found

    def bench_id(self) -> str:
        """What prefixes the bench's queue names: frappe.utils.get_bench_id, `/` of the path as `-` unless pinned."""
        pinned = self.config().get("bench_id")
        return str(pinned) if pinned else str(self.path).strip("/").replace("/", "-")

    def version_of(self, app: str) -> str:
        """`__version__` of an app, or an empty string; read as text, since importing Frappe has effects."""
        source = self.path / "apps" / app / app / "__init__.py"
        if not source.is_file():
            return ""
        found = re.search(r"^__version__\s*=\s*[\"']([^\"']+)", source.read_text(encoding="utf-8"), re.MULTILINE)
        return found.group(1) if found else ""


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises BenchError naming the file when there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BenchError(f"{path} is not valid JSON ({error}); mend it, then run again") from error
    if not isinstance(content, dict):
        raise BenchError(f"{path} must hold a JSON object")
    return content


def replace_file(path: Path, content: bytes, mode: int | None = None) -> None:
    """Write a file so that after a crash it has the old content or the new, never half; owner and mode are kept."""
    before = path.stat() if path.exists() else None
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
            if before is not None:
                os.fchown(stream.fileno(), before.st_uid, before.st_gid)
            os.fchmod(stream.fileno(), mode if mode is not None else (before.st_mode & 0o7777 if before else 0o644))
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def redact(url: str) -> str:
    """Where an URL leads, for people and logs: `cache1:6379/2`, without user and password."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    return f"{parts.hostname or ''}:{parts.port or 6379}{parts.path}"


def same_store(one: str, other: str) -> bool:
    """Whether two URLs name the same server process, whatever the password or database number."""
    first, second = urlsplit(one), urlsplit(other)
    if "unix" in (first.scheme, second.scheme):
        return (first.scheme, first.path) == (second.scheme, second.path)
    return (first.hostname, first.port or 6379) == (second.hostname, second.port or 6379)


def with_stores(config: bytes, urls: dict[str, str]) -> bytes:
    """A common_site_config.json with other store URLs and nothing else changed.

    Keys keep their order and the indentation is bench's own (json.dump(indent=1)). Absent keys are added.
    """
    content = json.loads(config)
    content.update(urls)
    newline = b"\n" if config.endswith(b"\n") else b""
    return json.dumps(content, indent=1, ensure_ascii=False).encode() + newline
