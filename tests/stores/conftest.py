"""Servers that several tests want alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from tests.stores.servers import Server


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[redis.Redis, redis.Redis]]:
    with Server(tmp_path / "old") as old, Server(tmp_path / "new") as new:
        yield old.client, new.client
