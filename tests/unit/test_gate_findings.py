"""What is concluded without asking a store: findings, verdicts, what people are shown, and docs/gate.md."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import Bench
from ansible_collections.benchfly.stores.plugins.module_utils.gate import bench as bench_gate
from ansible_collections.benchfly.stores.plugins.module_utils.gate import hosts as host_gate
from ansible_collections.benchfly.stores.plugins.module_utils.gate import today
from ansible_collections.benchfly.stores.plugins.module_utils.gate.need import Answer, verdict
from rich.console import Console
from tests.gate_reference import PAGE, page

from benchfly.cli.gate import check
from benchfly.playbook.outcome import Outcome


def test_the_page_is_as_generated_now() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [("ok ok", "go"), ("ok note", "go"), ("ok setting note", "settings"), ("setting no ok", "no")],
)
def test_the_worst_answer_is_the_verdict_of_a_store(verdicts: str, expected: str) -> None:
    assert verdict(Answer("", "", "", word) for word in verdicts.split()) == expected


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    path = tmp_path / "frappe-bench"
    for folder in ("sites/one.test", "config/systemd", "apps/frappe/frappe"):
        (path / folder).mkdir(parents=True)
    write(path / "sites/common_site_config.json", redis_cache="redis://a:1", redis_queue="redis://a:2", bench_id="x")
    write(path / "sites/one.test/site_config.json", db_name="_1")
    (path / "apps/frappe/frappe/__init__.py").write_text('__version__ = "16.0.1"\n')
    return path


def write(path: Path, **config: Any) -> None:
    path.write_text(json.dumps(config))


def findings(path: Path, *processes: dict[str, Any]) -> list[str]:
    """Everything that is found, the verdict first."""
    look = bench_gate.Look(Bench(path), list(processes), path / "config/benchfly")
    return [f"{finding.verdict}: {finding.text}" for finding in bench_gate.findings(look)]


def test_a_bench_with_nothing_odd_has_no_findings(bench: Path) -> None:
    assert findings(bench) == []


def test_each_oddity_of_a_bench_is_found(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    common = bench / "sites/common_site_config.json"
    write(common, redis_cache="unix:///c.sock", redis_queue="redis://a:2", redis_queue_sentinel_enabled=1)
    write(bench / "sites/one.test/site_config.json", db_name="_1", redis_queue="redis://b:1")
    (bench / "config/supervisor.conf").write_text(
        "[program:frappe-bench-redis-cache]\n[program:a]\ncommand=bench worker-pool\n"
        'environment=FRAPPE_REDIS_QUEUE="redis://c"\n'
    )
    (bench / "Procfile").write_text("web: FRAPPE_REDIS_CACHE=redis://d bench serve\n")
    monkeypatch.setattr(bench_gate, "FREE_BYTES", 2**62)
    found = findings(bench)
    name = str(bench).strip("/").replace("/", "-")
    expected = [
        "no: sites/one.test/site_config.json sets redis_queue",
        f"no: {bench}/Procfile sets FRAPPE_REDIS_CACHE",
        f"no: {bench}/config/supervisor.conf sets FRAPPE_REDIS_QUEUE",
        "no: common_site_config.json sets redis_queue_sentinel_enabled",
        f"note: bench_id is not pinned, so queues are named after the bench's path ({name})",
        "note: redis_cache is a unix:// URL",
        f"note: {bench}/config/supervisor.conf starts bench worker-pool",
        "no: ",
        "note: bench setup redis, supervisor, systemd, production or procfile",
    ]
    assert len(found) == len(expected), found
    assert [line for line, begins in zip(found, expected, strict=True) if not line.startswith(begins)] == []
    assert "MiB are free at" in found[7]


@pytest.fixture
def process(bench: Path) -> Iterator[int]:
    """A process as bench starts one, outside any process manager."""
    words = [
        sys.executable,
        "-c",
        "import time; time.sleep(60)",
        "-m",
        "frappe.utils.bench_helper",
        "frappe",
        "console",
    ]
    with subprocess.Popen(words, cwd=bench / "sites", env={**os.environ, "FRAPPE_REDIS_CACHE": "redis://e"}) as started:
        deadline = time.monotonic() + 10
        while b"bench_helper" not in Path(f"/proc/{started.pid}/cmdline").read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield started.pid
        started.kill()


def test_a_process_is_found_by_its_environment_and_when_nobody_manages_it(bench: Path, process: int) -> None:
    unmanaged = findings(bench)
    assert unmanaged == [
        f"note: process {process} (bench frappe console) runs outside the process manager; end it before the move, "
        "which otherwise stops before the sweep"
    ]
    managed = findings(bench, {"name": "frappe-bench-web:a", "pid": process})
    assert len(managed) == 1 and managed[0].startswith(
        f"no: process {process} (frappe-bench-web:a) has FRAPPE_REDIS_CACHE in its environment"
    )


def seen(**changed: Any) -> dict[str, Any]:
    """What was found on one host."""
    return {
        "bench_id": "x",
        "frappe": "15.1",
        "libraries": {"rq": "1.15.1"},
        "sites": ["one.test"],
        "stores": {"redis_cache": "a:1", "redis_queue": "a:2"},
        "servers": {"redis_cache": "id1", "redis_queue": "id2"},
        "addresses": ["127.0.0.1", "10.0.0.1"],
        "callers": ["127.0.0.1"],
        "move": {},
        **changed,
    }


OPEN = {"state": "open"}


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (seen(), []),
        (seen(stores={"redis_cache": "b:1", "redis_queue": "b:2"}), []),  # the same servers under another name
        (None, ["no: app2 was not looked at"]),
        (seen(bench_id="y"), ["no: hosts disagree on bench_id: app1 has x, app2 has y; their queues"]),
        (seen(libraries={"rq": "2.6.1"}), ["note: hosts disagree on rq: app1 has 1.15.1, app2 has 2.6.1"]),
        (seen(sites=[]), ["note: hosts disagree on sites: app1 has one.test, app2 has none"]),
        (
            seen(servers={"redis_cache": "id1", "redis_queue": "id9"}),
            ["no: hosts use different servers as redis_queue: app1 has a:2, app2 has a:2"],
        ),
        (seen(servers={"redis_cache": "id1", "redis_queue": "id9"}, move=OPEN), []),
        (
            seen(servers={"redis_cache": "", "redis_queue": "id2"}),
            ["no: app2 does not reach redis_cache at a:1, which the bench uses today"],
        ),
        (seen(callers=["10.0.0.1", "10.0.0.7"]), ["note: 10.0.0.7 is connected to the bench's queue store"]),
    ],
)
def test_hosts_are_held_side_by_side(second: dict[str, Any] | None, expected: list[str]) -> None:
    found = host_gate.findings({"app1": seen(), "app2": second}, {"cache": "redis://a:1", "queue": "redis://b:2"})
    lines = [f"{finding.verdict}: {finding.text}" for finding in found]
    assert len(lines) == len(expected), lines
    assert all(line.startswith(begins) for line, begins in zip(lines, expected, strict=True)), lines


def test_one_port_number_for_cache_and_queue_is_told() -> None:
    found = host_gate.findings({"app1": seen()}, {"cache": "redis://:pw@a:6379", "queue": "redis://b"})
    assert [finding.verdict for finding in found] == ["note"] and "migrate-env" in found[0].text


def test_a_host_knows_its_own_addresses() -> None:
    assert {"127.0.0.1", "::1"} <= set(today.addresses())


def answer(**changed: str) -> dict[str, str]:
    return {"need": "KEYS returns every key", "used_by": "", "answer": "9000", "verdict": "ok", "remedy": "", **changed}


def entry(verdict: str, *needs: dict[str, str], **changed: Any) -> dict[str, Any]:
    reasons = [need["answer"] for need in needs if need["verdict"] == "no"]
    gate = {"purpose": "cache", "store": "a:1", "engine": "redis", "version": "7.0", "frappe": "15", "needs": needs}
    gate |= {"verdict": verdict, "reasons": reasons, "warnings": []}
    return {"bench": "shop", "verdict": verdict, "gates": [gate], "reasons": reasons, "warnings": [], **changed}


def test_people_see_one_table_a_store_and_hosts_where_they_differ() -> None:
    hosts = {
        "app1": entry("go", answer(), warnings=["bench_id is not pinned"]),
        "app2": entry("no", answer(answer="12", verdict="no", remedy="choose another engine"), reasons=["12", "full"]),
    }
    outcome = Outcome("failed", {}, (), (), {"check": hosts}, 1.0, Path("log"))
    console = Console(width=160, file=io.StringIO())
    console.print(check(None, outcome))  # type: ignore[arg-type]
    text = " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]
    assert "shop: cache store a:1 (redis 7.0) for Frappe 15: no Verdict" in text
    assert "ok KEYS returns every key app1: 9000" in text
    assert "no KEYS returns every key app2: 12. Choose another engine." in text
    assert "Has to be mended before a move: - app2: full Worth knowing: - app1: bench_id is not pinned" in text
    assert text.endswith("shop may not move.")
