"""Statements at a real MariaDB by the state of the cache; of the stand-in, which asks it what its cache lacks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from demo.standin import SITE
from tests.bench.conftest import Moving, stand_in
from tests.bench.mariadb import MISSING, PASSWORD, REASON, MariaDB
from tests.bench.test_command import command
from tests.orphans import descendants

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300), pytest.mark.skipif(MISSING, reason=REASON)]

# What the login page of the stand-in reads of its cache, each of which is one SELECT when it is missing; and how many
# of these are spared when a cache is cleared, since a real Frappe has them in SQL only later.
READS, SPARED = 15, 1
# What PyMySQL sends by itself for a connection: two settings, and its end.
CONNECTION = 3


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moving]:
    with stand_in(tmp_path_factory.mktemp("db-load"), {}) as moving, MariaDB(moving.bench):
        # A worker that is stopped in the very moment in which it takes a job may not end for long.
        config = moving.bench.config() | {"pause_scheduler": 1}
        (moving.bench.path / "sites/common_site_config.json").write_text(json.dumps(config))
        yield moving


def run(moving: Moving, *options: str, code: int = 0, **variables: Any) -> dict[str, Any]:
    """`benchfly db-load --json`; what it says."""
    given = json.dumps({"db_load_quiet": 0.1, "db_load_rounds": 1, **variables})
    process = command(moving, "db-load", "--json", "-e", given, *options)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == code, output
    assert PASSWORD not in output and "p@ss" not in output
    said: dict[str, Any] = json.loads(output)
    return said


def middles(said: dict[str, Any], path: str | None, counter: str = "questions") -> dict[str, float]:
    """By state what a request came to."""
    return {each["state"]: each[counter]["middle"] for each in said["figures"]["figures"] if each["path"] == path}


def webs() -> list[int]:
    """Web processes that a measurement started."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with_nul = process.read_bytes() if process.exists() else b""
        if b"benchfly-web-" in with_nul:
            found.append(int(process.parent.name))
    return found


@contextmanager
def cache(moving: Moving) -> Iterator[redis.Redis]:
    """The bench's own."""
    with redis.Redis.from_url(moving.bench.config()["redis_cache"]) as client:
        yield client


def database(moving: Moving) -> str:
    return str(json.loads((moving.bench.path / f"sites/{SITE}/site_config.json").read_text())["db_name"])


def test_every_state_counts_what_was_asked_and_nothing_else(standin: Moving) -> None:
    with cache(standin) as store:
        store.lpush(f"{database(standin)}|global_search_queue", "not in SQL yet")
        store.mset({"another-site|app_hooks": "stays", "assets_json": "stays"})
        said = run(standin, "--state", "warm", "--state", "cold", "--state", "none", db_load_rounds=2)
        assert store.exists(f"{database(standin)}|global_search_queue", "another-site|app_hooks", "assets_json") == 3
    selects = {"warm": 0, "cold": READS - SPARED, "none": READS}
    assert middles(said, "/login", "selects") == selects
    assert middles(said, "/login") == {state: count and count + CONNECTION for state, count in selects.items()}
    assert middles(said, "/api/method/ping") == {"warm": 0, "cold": 0, "none": 0}
    savings = {each["state"]: each["share"]["middle"] for each in said["figures"]["savings"]}
    assert savings == {"cold": 1, "none": 1}
    assert said["figures"]["spoilt"] == []
    assert [each["engine"] for each in said["data"]["db_load"]["caches"]] == ["redis"]
    kept = "".join(path.read_text() for path in Path(said["folder"]).rglob("*") if path.is_file())
    assert PASSWORD not in kept
    assert webs() == []


def test_stores_are_compared_and_left_as_they_were(standin: Moving) -> None:
    name = database(standin)
    clients = {store: server.client for store, server in standin.stores.items()}
    clients["cache"].set("another-site|app_hooks", "stays")
    said = run(standin, "--store", "new-cache", "--store", "new-queue", "--path", "/login", "--state", "cold")
    apart = said["figures"]["differences"]
    assert [(each["cache"], each["baseline"], each["more"]["middle"]) for each in apart] == [
        ("new-queue", "new-cache", 0)
    ]
    assert clients["cache"].keys("*") == [b"another-site|app_hooks"] and clients["queue"].keys("*") == []

    clients["cache"].set(f"{name}|app_hooks", "of a bench that lives there")
    refused = run(standin, "--store", "new-cache", code=3)
    assert (
        f"store new-cache at 127.0.0.1:{standin.stores['cache'].port} holds keys of site {SITE}" in refused["message"]
    )
    assert clients["cache"].get(f"{name}|app_hooks") == b"of a bench that lives there"


def test_what_others_ask_spoils_a_pass(standin: Moving) -> None:
    other = (
        f"import json, pymysql, time; c = json.load(open('{standin.bench.path}/sites/{SITE}/site_config.json'));"
        "d = pymysql.connect(host=c['db_host'], port=c['db_port'], user=c['db_name'], password=c['db_password'])\n"
        "for _ in range(6000): d.cursor().execute('SELECT 1'); time.sleep(0.01)"
    )
    busy = subprocess.Popen([str(standin.bench.env.python), "-c", other])
    try:
        said = run(standin, "--path", "/login", "--state", "warm")
    finally:
        busy.kill()
        busy.wait()
    assert [each["spoilt"].startswith("others send about ") for each in said["figures"]["spoilt"]] == [True]
    assert all(each["questions"] is None for each in said["figures"]["figures"])


def test_a_page_that_cannot_be_read_is_named(standin: Moving) -> None:
    said = run(standin, "--path", "/nope", code=4)
    assert f"site {SITE} answers /nope with 404. Request what a guest may read" in said["message"]
    assert webs() == []


def test_a_killed_run_leaves_no_web_process_and_the_next_takes_its_store(
    standin: Moving, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("t")))  # the folder of its socket stays behind
    standin.stores["cache"].client.flushdb()
    given = json.dumps({"db_load_quiet": 60})
    process = command(standin, "db-load", "-e", given, "--store", "new-cache")
    deadline = time.monotonic() + 60
    while not standin.stores["cache"].client.keys(f"{database(standin)}|*"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    serving = webs()
    assert serving
    for pid in {*descendants(process.pid), process.pid}.difference(serving):
        os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=60)
    while webs():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    run(standin, "--store", "new-cache", "--state", "warm")
    assert standin.stores["cache"].client.dbsize() == 0
