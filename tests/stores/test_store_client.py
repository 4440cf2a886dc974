"""What people are told of a store that cannot be used."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import StoreError, connect
from tests.stores.servers import Server, free_port

REMEDY = r"\. Start it, which `benchfly deploy` does for stores of the inventory, or mend the network$"


def test_where_nothing_listens() -> None:
    port = free_port()
    with pytest.raises(StoreError, match=rf"^the store at 127\.0\.0\.1:{port}/0 does not answer: .* refused{REMEDY}"):
        connect(f"redis://:s3cret@127.0.0.1:{port}/0")


def test_where_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"redis://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(StoreError, match=f"does not answer: Timeout reading from .*{REMEDY}"):
            connect(url, timeout=0.2)


def test_a_server_that_refuses_speaks_for_itself(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        server.client.config_set("requirepass", "s3cret")
        with pytest.raises(StoreError, match="does not answer: ") as error:
            connect(server.url)
    assert "Start it" not in str(error.value) and "s3cret" not in str(error.value)
