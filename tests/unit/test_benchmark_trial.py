"""A trial of several processes, hosts and windows: its shares, its one measurement, and what speaks against it."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.benchfly.stores.plugins.filter import benchmark_load
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import environment, histogram, trial
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import (
    Load,
    Measurement,
    Output,
    OutputError,
    Reading,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.recorder import due_times
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.sampler import Sampler
from hdrh.histogram import HdrHistogram


def reading(counts: dict[int, int], seconds: float = 2.0, **more: Any) -> Reading:
    total = sum(counts.values())
    encoded = histogram.encode(counts)
    return Reading(Measurement(total, seconds, total / seconds, 9, 9, 9, 0, histogram=encoded), **more)


def test_a_histogram_is_written_as_the_library_writes_it() -> None:
    chance = random.Random(1)
    counts = Counter(int(chance.lognormvariate(5, 2)) + 1 for _ in range(50_000))
    counts.update({1: 3_000_000_000, 3_600_000_000: 2, 2047: 1, 2048: 1})
    theirs = HdrHistogram(1, 3_600_000_000, 3)
    for value, count in counts.items():
        theirs.record_value(value, count)
    ours = HdrHistogram.decode(histogram.encode(counts))
    assert ours.get_total_count() == theirs.get_total_count() == sum(counts.values())
    for share in (0, 10, 50, 99, 99.999, 99.99999, 100):
        assert ours.get_value_at_percentile(share) == theirs.get_value_at_percentile(share)
    assert histogram.encode({}) == ""


def test_percentiles_are_of_all_latencies_and_never_averaged() -> None:
    fast, slow = reading({100: 9900, 200: 100}), reading({50_000: 100})
    merged = trial.merge([fast, slow]).measurement
    assert merged.operations == 10_100
    assert merged.ops_per_second == 5000 + 50
    assert merged.p50_ms == pytest.approx(0.1, rel=0.001)
    assert merged.p99_ms == pytest.approx(0.2, rel=0.001)  # the mean of their 99th percentiles would be 25
    assert merged.p999_ms == merged.max_ms == pytest.approx(50, rel=0.001)
    again = trial.merge([Reading(merged)]).measurement
    assert (again.p50_ms, again.p999_ms, again.operations) == (merged.p50_ms, merged.p999_ms, 10_100)


def test_without_histograms_the_greatest_percentile_counts() -> None:
    parts = [Reading(Measurement(100, 1.0, 100.0, 1, 2, p99, 1, max_ms=p99)) for p99 in (3.0, 7.0)]
    merged = trial.merge(parts).measurement
    assert (merged.p99_ms, merged.max_ms, merged.p999_ms, merged.errors, merged.histogram) == (7.0, 7.0, None, 2, "")


def test_what_a_stall_left_out_is_put_in() -> None:
    # 100 a second, of which one took a second: 99 more should have been sent meanwhile, and would have waited.
    counts = {1000: 900, 1_000_000: 1}
    assert trial.merge([reading(counts)]).measurement.p99_ms < 2
    corrected = trial.merge([reading(counts, interval_us=10_000)]).measurement
    assert corrected.p99_ms > 850
    assert corrected.operations == 901


def test_what_is_no_histogram() -> None:
    with pytest.raises(OutputError, match="this is no HdrHistogram: 'hello'"):
        trial.merge([Reading(Measurement(1, 1.0, 1.0, 1, 1, 1, 0, histogram="hello"))])
    with pytest.raises(OutputError, match="no process left a measurement"):
        trial.merge([])


def test_windows_come_one_after_the_other() -> None:
    whole = trial.in_turn([reading({100: 50}, series=(25, 25)), reading({300: 150}, series=(75, 75))])
    assert (whole.measurement.operations, whole.measurement.seconds) == (200, 4.0)
    assert whole.measurement.ops_per_second == 50
    assert whole.series == (25, 25, 75, 75)


@pytest.mark.parametrize(("clients", "parts"), [(7, 3), (256, 4), (2, 5), (1, 1)])
def test_processes_share_what_there_is_to_do(clients: int, parts: int) -> None:
    loads = trial.shares(Load(10, clients, rate=1000, expected=500, items=101, seed=5), parts)
    assert len(loads) == min(clients, parts)
    assert sum(load.clients for load in loads) == clients
    assert sum(load.rate for load in loads) == pytest.approx(1000)
    assert [load.first for load in loads] == [sum(load.items for load in loads[:at]) for at in range(len(loads))]
    assert sum(load.items for load in loads) == 101
    assert len({load.seed for load in loads}) == len(loads)


def test_outputs_come_apart_as_they_were_put_together() -> None:
    outputs = {
        trial.name_of(host, 1, window): Output((f"{host} {window} a", "b"), {"1.csv": f"{host}{window}", "2.csv": ""})
        for window in (1, 2)
        for host in ("load1", "load2")
    }
    whole = trial.together(outputs)
    assert "window-2/load1-1/1.csv" in whole.files
    assert trial.apart(whole) == outputs


@pytest.mark.parametrize(
    ("series", "lengths"),
    [
        ((100, 100, 10, 100, 100, 5), [1]),
        ((100, 0, 0, 90, 0, 100, 100, 100, 0), [2, 1]),
        ((100, 100, 100, 100, 0, 0, 100), [2]),
        ((100, 60, 100, 55, 100, 100), []),
        ((5, 5), []),
        ((), []),
    ],
)
def test_stalls_are_seconds_below_half_of_the_median(series: tuple[int, ...], lengths: list[int]) -> None:
    assert trial.stalls(series) == lengths


def test_an_open_loop_does_not_wait_for_slow_answers() -> None:
    started = time.monotonic()
    due = []
    for moment in due_times(started, started + 0.4, rate=100, number=1, of=2):
        due.append(round((moment - started) * 1000))
        if len(due) == 2:
            time.sleep(0.2)  # a stall: those that were due meanwhile come at once, and are timed from then
    assert due == list(range(10, 400, 20))


def result(host: str, counts: dict[str, int], invalid: tuple[str, ...] = ()) -> dict[str, Any]:
    file = json.dumps({"seconds": 1.0, "errors": 0, "trouble": [], "microseconds": counts, "series": [3]})
    about = {"round": 1, "store": "old", "started": 100.0, "cpu": 0.5, "invalid": list(invalid)}
    return {
        "trial": about,
        "outputs": [{"command_lines": [f"python-client {host}"], "files": {"python-client.json": file}}],
    }


def test_hosts_of_one_trial_are_put_together() -> None:
    results = {"load1": result("load1", {"100": 10}), "load2": result("load2", {"900": 10})}
    merged = benchmark_load.benchmark_merge(results, "python-client")
    assert merged["trial"]["measurement"]["operations"] == 20
    assert merged["trial"]["series"] == [6]
    assert merged["trial"]["cpu"] == [0.5, 0.5]
    assert merged["trial"]["invalid"] == []
    assert merged["output"]["command_lines"] == ("python-client load1", "python-client load2")


def test_a_host_that_failed_makes_the_trial_invalid() -> None:
    results = {"load1": result("load1", {"100": 10}), "load2": {"msg": "its Python is gone", "failed": True}}
    merged = benchmark_load.benchmark_merge(results, "python-client")["trial"]
    assert merged["invalid"] == ["load2 has no result: its Python is gone"]
    results["load2"] = result("load2", {"5": 1}, ("the server went away",))
    assert benchmark_load.benchmark_merge(results, "python-client")["trial"]["invalid"] == [
        "load2: the server went away"
    ]
    empty = benchmark_load.benchmark_merge({"load1": result("load1", {})}, "python-client")["trial"]
    assert empty["measurement"] is None
    assert "completed no operation" in empty["invalid"][0]


RULES = ("generator-cpu", "steal", "clock-step", "memory")


def judged(rows: list[dict[str, float]], role: str, boots: tuple[str, str] = ("a", "b"), cpu: float = 0.1) -> list[str]:
    each = {"store": "old", "started": 0.0, "cpu": [cpu], "measurement": {"seconds": 10}, "invalid": ["before"]}
    quiet = [
        {"time": float(second), "cpu": 5.0, "steal": 0.0, "memory": 5.0, "clock_step": 0.0} for second in range(12)
    ]
    samples = [
        {"host": "load1", "role": "generator", "store": "", "rows": quiet},
        {"host": "store1", "role": "store", "store": "old", "rows": quiet},
    ]
    samples[role == "store"]["rows"] = [{**old, **new} for old, new in zip(quiet, rows * 12, strict=False)]
    environments = {"load1": {"boot_id": boots[0]}, "store1": {"boot_id": boots[1]}}
    (found,) = benchmark_load.benchmark_judge([each], samples, RULES, environments)
    assert found["invalid"][0] == "before"
    return found["invalid"][1:]


def test_what_samples_say_against_a_trial() -> None:
    assert judged([{}], "store") == []
    assert judged([{"cpu": 90.0}], "generator") == ["the CPUs of load1, which makes the load, were busy for 90 %"]
    assert judged([{"cpu": 90.0}], "generator", boots=("a", "a")) == []
    assert judged([{"cpu": 99.0}], "store") == []
    assert judged([{}], "generator", cpu=0.97) == ["a process that makes the load took 97 % of a core"]
    assert judged([{"steal": 12.0}], "store") == ["12 % of the CPUs of store1 were taken by other machines"]
    assert judged([{"memory": 95.0}], "store") == ["95 % of the memory of store1 was in use"]
    assert judged([{"clock_step": 0.0}, {"clock_step": -3.0}], "store") == ["the clock of store1 was set by 3.0 s"]


def test_the_environment_of_another_machine(tmp_path: Path) -> None:
    files = {
        "proc/cpuinfo": "processor\t: 0\nmodel name\t: Fast One\nprocessor\t: 1\nmodel name\t: Fast One\n",
        "proc/meminfo": "MemTotal:       2048 kB\n",
        "sys/kernel/mm/transparent_hugepage/enabled": "always madvise [never]\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
        "proc/interrupts": (
            "           CPU0       CPU1\n"
            " 26:          9          0   PCI-MSI  eth0-Tx-Rx-0\n"
            " 27:          0          7   PCI-MSI  eth0-Tx-Rx-1\n"
            "NMI:          0          0   Non-maskable interrupts\n"
        ),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = environment.describe(tmp_path)
    assert (found["cpu_model"], found["cpus"], found["memory"]) == ("Fast One", 2, 2 << 20)
    assert (found["thp"], found["governor"], found["irq"]) == ("never", "performance", {"eth0": 2})
    assert found["instance_type"] == ""  # the firmware does not say that it is EC2, so nobody was asked


def test_samples_of_this_host() -> None:
    sampler = Sampler({})
    first = sampler.rows()[""]
    time.sleep(0.2)
    second = sampler.rows()[""]
    assert "cpu" not in first
    assert 0 <= second["cpu"] <= 100
    assert second["context_switches"] > 0
    assert 0 < second["memory"] < 100
    assert abs(second["clock_step"]) < 0.5
