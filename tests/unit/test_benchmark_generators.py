"""What real load generators printed, read; and what they never printed, refused (tests/data/generators/README.md)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import trial, workload
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import (
    Load,
    Output,
    Program,
    Target,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generators import (
    GENERATORS,
    NoGeneratorError,
    choose,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.memtier import Memtier, _squeezed
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import Workload

from benchfly.benchmark.trials import parse
from benchfly.errors import ResultsError

DATA = Path(__file__).parent.parent / "data/generators"
GIVEN: dict[str, object] = {
    "description": "a mix",
    "clients": 4,
    "families": {"document": {"shape": "string", "bytes": 100, "items": 50}},
    "operations": [{"command": "GET", "family": "document", "share": 100}],
}
MIX = workload.parse("mix", GIVEN)


def recorded(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


def memtier(name: str) -> Output:
    stderr = recorded(f"memtier-{name}.stderr") if (DATA / f"memtier-{name}.stderr").exists() else ""
    return Output(
        ("memtier_benchmark ...",), {"memtier.json": recorded(f"memtier-{name}.json"), "memtier.stderr": stderr}
    )


def redis_benchmark(csv: str, stderr: str = "", requests: int = 100_000) -> Output:
    line = f"redis-benchmark -p 7001 --csv -n {requests} HSET session:__rand_int__ data"
    return Output((line,), {"1.csv": csv, "1.stderr": stderr})


def test_memtier_rate_is_what_was_done_over_the_time_asked_for() -> None:
    output = memtier("mix")
    totals = json.loads(output.files["memtier.json"])["ALL STATS"]["Totals"]
    assert totals["Ops/sec"] > 20_000_000  # its own, over a duration that is off by a second
    measurement = parse("memtier_benchmark", output, "here")
    assert (measurement.operations, measurement.seconds, measurement.ops_per_second) == (48024, 1.0, 48024.0)
    assert (measurement.p50_ms, measurement.p95_ms, measurement.p99_ms) == (0.151, 0.295, 0.375)
    assert measurement.errors == 0


def test_memtier_plays_less_than_a_second_as_a_number_of_requests() -> None:
    given = Memtier()._argv(
        Program("memtier_benchmark", "2"), Target("h", 1, 0, "", ""), MIX, Load(0.3, 4, rate=4000, items=50)
    )
    assert given[given.index("--requests") + 1] == "300" and "--test-time" not in given
    measurement = parse("memtier_benchmark", memtier("short"), "here")
    assert (measurement.operations, measurement.seconds, measurement.ops_per_second) == (1200, 0.3, 4000.0)
    assert measurement.p99_ms == 0.239


def test_memtier_counts_error_replies_as_operations_but_stderr_tells() -> None:
    output = memtier("oom")
    output = Output(output.command_lines, {**output.files, "memtier.json": with_p95(output.files["memtier.json"])})
    measurement = parse("memtier_benchmark", output, "here")
    assert measurement.errors == 36
    assert measurement.operations == 57614


def test_memtier_stderr_is_kept_small_and_says_the_same() -> None:
    stderr = recorded("memtier-oom.stderr")
    output = memtier("mix")
    counts = [
        parse("memtier_benchmark", Output((), {**output.files, "memtier.stderr": text}), "here").errors
        for text in (stderr, _squeezed(stderr), _squeezed(stderr * 1000))
    ]
    assert counts == [36, 36, 36_000]
    assert len(_squeezed(stderr * 1000)) < len(stderr)


def with_p95(text: str) -> str:
    """That recording was made without asking for the 95th percentile, which every trial asks for."""
    content = json.loads(text)
    content["ALL STATS"]["Totals"]["Percentile Latencies"]["p95.00"] = 0.5
    return json.dumps(content)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("refused", "Connection refused"), ("server-killed", "Connection reset by peer"), ("rate-limited", "no output")],
)
def test_memtier_outputs_that_measure_nothing(name: str, reason: str) -> None:
    with pytest.raises(ResultsError, match=rf"run-7/benchmark.json: .*{reason}"):
        parse("memtier_benchmark", memtier(name), "run-7/benchmark.json")


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"ALL STATS": {"Totals": 3}}', "1 Threads\n4 Connections"])
def test_memtier_foreign_and_empty_output(text: str) -> None:
    with pytest.raises(ResultsError, match="no output of one memtier_benchmark run"):
        parse("memtier_benchmark", Output(("memtier_benchmark",), {"memtier.json": text}), "here")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_memtier_truncated_output(share: float) -> None:
    text = recorded("memtier-mix.json")
    with pytest.raises(ResultsError, match="no output of one memtier_benchmark run"):
        parse("memtier_benchmark", Output(("m",), {"memtier.json": text[: int(len(text) * share)]}), "here")


@pytest.mark.parametrize(
    ("file", "rate", "p99"),
    [("redis-benchmark-hset.csv", 99_700.90, 2.271), ("valkey-benchmark-hget.csv", 79_936.05, 1.167)],
)
def test_redis_benchmark_csv(file: str, rate: float, p99: float) -> None:
    measurement = parse("redis-benchmark", redis_benchmark(recorded(file)), "here")
    assert measurement.ops_per_second == rate
    assert measurement.p99_ms == p99
    assert measurement.operations == 100_000
    assert measurement.seconds == pytest.approx(100_000 / measurement.ops_per_second, rel=0.01)
    assert measurement.errors == 0


def test_redis_benchmark_puts_commands_together_by_time_and_by_the_slowest() -> None:
    files = {"1.csv": recorded("redis-benchmark-hset.csv"), "2.csv": recorded("valkey-benchmark-hget.csv")}
    lines = ("redis-benchmark --csv -n 30000 HSET h f v", "redis-benchmark --csv -n 70000 HGET h f")
    one, two = (parse("redis-benchmark", redis_benchmark(files[name]), "here") for name in ("1.csv", "2.csv"))
    both = parse("redis-benchmark", Output(lines, files), "here")
    seconds = 30_000 / one.ops_per_second + 70_000 / two.ops_per_second
    assert both.operations == 100_000
    assert both.ops_per_second == pytest.approx(100_000 / seconds, rel=0.001)
    assert both.p99_ms == max(one.p99_ms, two.p99_ms)


def test_redis_benchmark_that_was_over_before_it_had_measured_anything() -> None:
    text = recorded("redis-benchmark-hset.csv").replace("99700.90", "inf")
    with pytest.raises(ResultsError, match="play for longer"):
        parse("redis-benchmark", redis_benchmark(text), "here")


@pytest.mark.parametrize("program", ["redis-benchmark", "valkey-benchmark"])
def test_redis_benchmark_error_reply(program: str) -> None:
    output = redis_benchmark(recorded(f"{program}-oom.csv"), recorded(f"{program}-oom.stderr"))
    with pytest.raises(ResultsError, match="OOM command not allowed"):
        parse(program, output, "here")


@pytest.mark.parametrize("text", ["", "hello", '"test","rps"\n"GET","1"\n'])
def test_redis_benchmark_foreign_and_empty_output(text: str) -> None:
    with pytest.raises(ResultsError, match="no output of redis-benchmark --csv"):
        parse("redis-benchmark", redis_benchmark(text), "here")


def test_redis_benchmark_truncated_or_of_several_commands() -> None:
    whole = recorded("redis-benchmark-hset.csv")
    for text in (whole[:150], whole[: len(whole) // 2], recorded("redis-benchmark-setget.csv")):
        with pytest.raises(ResultsError, match="no output of redis-benchmark --csv"):
            parse("redis-benchmark", redis_benchmark(text), "here")
    with pytest.raises(ResultsError, match="no process left a measurement"):
        parse("redis-benchmark", Output((), {}), "here")


def test_python_client_percentiles_are_of_the_histogram() -> None:
    result = {"seconds": 2.0, "errors": 1, "trouble": [], "microseconds": {"100": 98, "700": 1, "9000": 1}}
    measurement = parse("python-client", Output(("p",), {"python-client.json": json.dumps(result)}), "here")
    assert (measurement.p50_ms, measurement.p95_ms, measurement.p99_ms) == (0.1, 0.1, 0.7)
    assert (measurement.operations, measurement.ops_per_second, measurement.errors) == (100, 50.0, 1)


@pytest.mark.parametrize("text", ["", "[]", '{"microseconds": {}}', '{"microseconds": {"x": 1}, "seconds": 1}'])
def test_python_client_foreign_output(text: str) -> None:
    with pytest.raises(ResultsError, match="no output of python-client"):
        parse("python-client", Output(("p",), {"python-client.json": text}), "here")


def test_python_client_without_an_operation_says_why() -> None:
    result = {"seconds": 1.0, "errors": 1, "trouble": ["Connection refused"], "microseconds": {}}
    with pytest.raises(ResultsError, match=r"no operation\. Connection refused"):
        parse("python-client", Output(("p",), {"python-client.json": json.dumps(result)}), "here")


def test_an_unknown_generator_is_refused() -> None:
    with pytest.raises(ResultsError, match="here: 'wrk'"):
        parse("wrk", Output((), {}), "here")


@pytest.mark.parametrize("name", [name for name, generator in GENERATORS.items() if not generator.takes_password])
def test_a_password_never_goes_into_arguments(name: str) -> None:
    with pytest.raises(NoGeneratorError, match="every user of the host can read"):
        choose(name, "", True, MIX)
    generator, _ = choose("auto", "", True, MIX)
    assert generator.takes_password


def test_a_generator_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NoGeneratorError, match="nowhere is no memtier_benchmark that runs here"):
        choose("memtier_benchmark", str(tmp_path / "nowhere"), False, MIX)
    impostor = tmp_path / "impostor"
    impostor.write_text("#!/bin/sh\necho something else 1.0\n")
    impostor.chmod(0o755)
    with pytest.raises(NoGeneratorError):
        choose("redis-benchmark", str(impostor), False, MIX)


def a_workload(**changes: object) -> Workload:
    return workload.parse("mix", {**GIVEN, **changes})


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("redis-benchmark", {"loop": "open", "rate": 100}, "has no open loop"),
        ("valkey-benchmark", {"loop": "open", "rate": 100}, "has no open loop"),
        ("redis-benchmark", {"keys": "sequence"}, "wants each of them once"),
        ("memtier_benchmark", {"storm": {}}, "mixes of commands only"),
        ("redis-benchmark", {"storm": {}}, "mixes of commands only"),
    ],
)
def test_what_a_generator_cannot_play_it_refuses(name: str, changes: dict[str, object], reason: str) -> None:
    with pytest.raises(NoGeneratorError, match=f"{name} cannot play mix: .*{reason}"):
        choose(name, "", False, a_workload(**changes))


def test_what_a_generator_plays_otherwise_is_said() -> None:
    memtier, redis, python = (GENERATORS[name] for name in ("memtier_benchmark", "redis-benchmark", "python-client"))
    open_loop, hot = a_workload(loop="open", rate=100), a_workload(keys={"hot": [[10, 28]]})
    assert "coordinated omission" in " ".join(memtier.approximations(open_loop))
    assert "intended moment" in " ".join(python.approximations(open_loop))
    assert "hot" in " ".join(memtier.approximations(hot)) and "hot" in " ".join(redis.approximations(hot))
    assert python.approximations(hot) == memtier.approximations(MIX) == []


def test_memtier_rate_limited_latencies_get_what_waiting_left_out() -> None:
    reading = GENERATORS["memtier_benchmark"].parse(Output((), with_percentiles("memtier-rate-limited.json")))
    assert reading.interval_us == 10_000  # 100 operations a second for each connection
    merged, said = trial.merge([reading]).measurement.p999_ms, reading.measurement.p999_ms
    assert merged and said and merged >= said


def with_percentiles(name: str) -> dict[str, str]:
    """That recording was made without the 95th percentile, which every trial asks for."""
    return {"memtier.json": with_p95(recorded(name)), "memtier.stderr": ""}


def test_target_of_an_url() -> None:
    target = Target.from_url("redis://frappe:p%40ss@cache1:13000/2")
    assert (target.host, target.port, target.database) == ("cache1", 13000, 2)
    assert (target.user, target.password) == ("frappe", "p@ss")
    assert "p@ss" not in repr(target)
    assert Target.from_url("redis://cache1").port == 6379
    for url in ("rediss://cache1", "unix:///run/redis.sock", "cache1:6379"):
        with pytest.raises(ValueError, match="only redis://"):
            Target.from_url(url)
