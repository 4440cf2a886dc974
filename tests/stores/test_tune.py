"""The verb tune on a real store under a supervisord of its own: proved, refused, killed, put back, written down."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import play
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Target
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.store import HOLDER, PREFIX
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import ReplyError
from tests.stores.servers import Server
from tests.tuning.place import QUICK, Place, placed
from tests.tuning.store import tuned, workload

pytestmark = pytest.mark.stores
pytest.importorskip("optuna")
pytest.importorskip("scipy")


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    with placed() as found:
        yield found


def test_a_store_that_holds_keys_is_refused(place: Place) -> None:
    with place.client as client:
        client.set("somebody", "else's")
        done = place.tune()
        assert done["exit_code"] == 3, done
        assert "holds 1 keys that no benchmark made" in done["message"]
        assert client.get("somebody") == "else's"
        client.delete("somebody")
    assert (place.running, place.journal) == ("0", {})


def test_a_store_in_use_is_let_go_at_the_ceiling(place: Place) -> None:
    with place.client as client:
        client.set("somebody", "else's")
        done = place.tune(tune_allow_data="shop-cache", tune_ceiling_ms=0.001)
        assert done["exit_code"] == 0, done
        assert "above the ceiling of 0.001 ms, and the store is in use" in done["data"]["tune"]["outcome"]["aborted"]
        assert client.keys() == ["somebody"]
        client.delete("somebody")
    assert place.running == "0" and place.journal["state"] == "ended"


@pytest.mark.timeout(600)
def test_a_candidate_that_the_server_does_not_start_with_is_a_failed_trial(place: Place) -> None:
    """Two threads take a restart, and a server without its own jemalloc refuses to start with active_defrag."""
    if (os.cpu_count() or 1) < 2:
        pytest.skip("with one CPU no number of threads is tried")
    said = subprocess.run(["redis-server", "--activedefrag", "yes", "--port", "-1"], capture_output=True, text=True)
    if "ctive defragmentation cannot be enabled" not in said.stdout + said.stderr:
        pytest.skip("this redis-server takes active_defrag")
    done = place.tune(tune_settings="threads,active_defrag", tune_trials=1)
    assert done["exit_code"] == 0, done
    outcome = done["data"]["tune"]["outcome"]
    ((settings, why),) = outcome["failed"]
    assert settings["threads"] > 1 and settings["active_defrag"] and "ctive defragmentation cannot be enabled" in why
    assert outcome["kept"]["settings"] == {} and outcome["trials"] == 1
    with place.client as client:
        assert client.config_get("io-threads") == {"io-threads": "1"} and client.dbsize() == 0
    assert place.journal["state"] == "ended"


@pytest.mark.timeout(600)
def test_after_a_kill_it_is_put_back(place: Place) -> None:
    process = place.start("tune", "--store", "shop-cache", **QUICK)
    changed = place.changed(process, 200)
    place.kill(process)
    assert changed, process.stdout
    assert place.journal["state"] == "begun" and place.journal["spec"]["listpack_value"] == 0
    with place.client as client:
        client.set(PREFIX + "left", "of the data")  # wherever it was killed
        done = place.tune("--restore")
        assert done["exit_code"] == 0, done
        assert place.running == "0" and place.journal["state"] == "ended"
        assert client.get(HOLDER) is None and client.keys(PREFIX + "*") == []


@pytest.mark.timeout(600)
def test_a_study_is_gone_on_with_only_as_it_was_begun(place: Place) -> None:
    done = place.tune(tune_seconds=0.3, tune_workload="frappe-site")
    assert done["exit_code"] != 0 and place.running == "0"
    words = done["message"].partition(" has a study that had another ")[2].partition(" than is asked for now")[0]
    assert {"seconds", "workload"} <= set(words.split(", ")), done["message"]


@pytest.mark.timeout(600)
def test_a_study_that_was_cut_short_goes_on_and_what_it_proves_is_written_down(place: Place) -> None:
    done = place.tune("--apply")
    assert done["exit_code"] == 0, done
    kept = done["data"]["tune"]["outcome"]["kept"]
    assert kept["settings"] == {"listpack_value": 1024}, kept
    assert kept["lines"]["listpack_value"]["effects"]["bytes"]["high"] < 1
    took = next(phase["seconds"] for phase in done["phases"] if phase["name"] == "Tune")
    assert done["data"]["tune"]["outcome"]["seconds"] > took * 0.7, done  # the budget's, which is not of plays alone
    assert place.running == "0" and place.journal["state"] == "ended"
    with place.client as client:
        assert client.dbsize() == 0
    declared = place.inventory.read_text()
    assert yaml.safe_load(declared)["stores"]["hosts"]["here"]["stores"]["shop-cache"]["listpack_value"] == 1024
    assert "was 0, which takes it back" in declared and "# a mistake" in declared
    assert "+          listpack_value: 1024" in done["diff"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "server") as running:
        yield running


def test_only_who_holds_a_store_changes_it(server: Server) -> None:
    target = Target.from_url(server.url)
    server.client.set(HOLDER, "me")
    play.change(target, {"hz": "50"}, "me")
    with pytest.raises(play.TakenOverError):
        play.change(target, {"hz": "99"}, "somebody else")
    server.client.delete(HOLDER)
    with pytest.raises(play.TakenOverError):
        play.change(target, {"hz": "99"}, "me")
    assert server.client.config_get("hz") == {"hz": "50"}


def test_what_a_server_refuses_is_named(server: Server) -> None:
    with pytest.raises(ReplyError, match="'hz': 'fast'"):
        play.change(Target.from_url(server.url), {"hz": "fast"}, "")


def test_bytes_of_a_session_are_the_same_every_time() -> None:
    with tuned("redis", {}, workload("session-churn", 0.001), 0.05) as store:
        store.bytes_of({})  # tables of keys have grown
        taken = {value: [store.bytes_of({"listpack_value": value}) for _ in range(4)] for value in (64, 1024)}
    assert sorted(taken[64])[1] > 1.1 * sorted(taken[1024])[2]
    assert sorted(taken[1024])[2] - sorted(taken[1024])[1] < 0.01 * taken[1024][0]
