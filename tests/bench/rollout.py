"""Several small stand-in benches on this machine, and what an operator needs to move them together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.standin import StandinBench
from tests.stores.servers import Server

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
# Small enough that fifty of them fit: a web worker, and one background worker for each of the two kinds.
SHAPE: dict[str, Any] = {"web_workers": 1, "background_workers": 1}


@dataclass
class Benches:
    """Running benches by name, all to move to the same two new servers, each to a database of its own."""

    folder: Path
    benches: dict[str, StandinBench]
    inventory: Path

    def command(self, *words: str, **variables: Any) -> list[str]:
        """The command line of `benchfly WORD ...` on these benches."""
        given = json.dumps({"frappe_bench_canary": False, **variables})
        return [str(BIN / "benchfly"), *words, "-i", str(self.inventory), "-e", given]

    @property
    def environment(self) -> dict[str, str]:
        ansible = self.folder / "ansible"
        return {
            **os.environ,
            "BENCHFLY_HOME": str(self.folder / "home"),
            "ANSIBLE_HOME": str(ansible),
            "ANSIBLE_ASYNC_DIR": str(ansible / "async"),
            "ANSIBLE_REMOTE_TEMP": str(ansible / "tmp"),
        }

    def run(self, *words: str, timeout: float = 600, **variables: Any) -> tuple[int, dict[str, Any]]:
        """Run it to its end: its exit code, and what it says as JSON."""
        done = subprocess.run(
            [*self.command(*words, **variables), "--yes", "--json"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            timeout=timeout,
        )
        said: dict[str, Any] = json.loads(done.stdout)
        return done.returncode, said

    def moves(self, name: str) -> list[dict[str, Any]]:
        """The moves of a bench, from its journal."""
        journal = self.benches[name].path / "config/benchfly/journal.json"
        moves: list[dict[str, Any]] = json.loads(journal.read_text())["moves"] if journal.exists() else []
        return moves


@contextmanager
def running(folder: Path, names: Sequence[str]) -> Iterator[Benches]:
    """Lay benches out and start them, one after the other; stop them with the block."""
    with ExitStack() as stack:
        benches, stores = {}, {}
        for name in names:
            bench = StandinBench.lay_out(folder / name, name=name, **SHAPE)
            benches[name] = stack.enter_context(bench)
            for purpose in ("cache", "queue"):
                policy = "allkeys-lru" if purpose == "cache" else "noeviction"
                server = Server(folder / f"{name}-{purpose}", "--maxmemory", "32mb", "--maxmemory-policy", policy)
                stack.enter_context(server)
                specification = {"engine": "redis", "memory": "32mb", "purpose": purpose, "port": server.port}
                stores[f"{name}-{purpose}"] = specification
        inventory = folder / "inventory.yml"
        inventory.write_text(json.dumps(_inventory(benches, stores)))
        yield Benches(folder, benches, inventory)


def _inventory(benches: dict[str, StandinBench], stores: dict[str, Any]) -> dict[str, Any]:
    """Every bench on a host of its own, which is this machine."""
    groups = {
        name: {
            "hosts": {f"{name}-host": {}},
            "vars": {
                "frappe_bench_name": name,
                "frappe_bench_path": str(bench.path),
                "frappe_bench_local_facts": False,
                "frappe_bench_supervisor_socket": str(bench.supervisor_socket),
                "frappe_bench_cache_store": f"{name}-cache",
                "frappe_bench_queue_store": f"{name}-queue",
                "frappe_bench_ping_url": f"{bench.url}/api/method/ping",
            },
        }
        for name, bench in benches.items()
    }
    local = {"ansible_connection": "local"}
    return {
        "all": {
            "vars": local,
            "children": {"stores": {"hosts": {"stores": {"stores": stores}}}, "benches": {"children": groups}},
        }
    }
