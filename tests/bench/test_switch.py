"""What of a switch that was killed in its midst is known to the next run."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils.bench_journal import Journal
from ansible_collections.benchfly.stores.plugins.module_utils.bench_processes import ENDED, bench_processes
from ansible_collections.benchfly.stores.plugins.module_utils.bench_switch import PHASE, move_socketio
from ansible_collections.benchfly.stores.plugins.module_utils.supervisor import Supervisor
from demo.standin import StandinBench

pytestmark = pytest.mark.bench


def test_socketio_is_started_that_a_killed_step_had_stopped(tmp_path: Path) -> None:
    with StandinBench.lay_out(tmp_path / "standin") as bench:
        supervisor, journal = Supervisor(str(bench.supervisor_socket)), Journal(bench.path / "config/benchfly")
        journal.begin("m1", "migrate", {}, {})
        name = next(one.name for one in bench_processes(bench.path, supervisor) if one.role == "socketio")
        supervisor.stop(name)
        assert not supervisor.wait({name}, ENDED, 20)

        def moved() -> list[str]:
            return move_socketio(bench_processes(bench.path, supervisor), journal, supervisor, 20)

        assert moved() == [], "somebody else stopped it"
        with pytest.raises(KeyboardInterrupt), journal.phase(PHASE, "socketio", [name]):
            raise KeyboardInterrupt
        assert moved() == [name]
        assert not supervisor.wait({name}, {"RUNNING"}, 20)
