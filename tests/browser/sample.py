"""A report as a move of two and a half thousand jobs leaves it, for tests of its looks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Measurement, Output
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import parse

from benchfly.benchmark import Benchmark, Sample, Server, Trial, claims, compare
from benchfly.report import (
    Attempt,
    Before,
    Enqueue,
    File,
    Http,
    Jobs,
    Move,
    Need,
    Phase,
    ReportData,
    Span,
    Summary,
    Target,
    gaps,
    latencies,
)

START = 1795417045.0

_PHASES = {
    "migrate": {
        "Check": 2.4,
        "Stop consumers": 4.1,
        "Switch producers": 1.9,
        "Sweep": 0.8,
        "Start consumers": 2.2,
        "Verify": 3.0,
    },
    "rollback": {"Stop consumers": 4.3, "Switch producers": 2.0, "Sweep": 1.1, "Start consumers": 2.1, "Verify": 2.9},
}
GOOD = (Jobs(acknowledged=6120, executed=6120, lost=0, duplicated=0), Http(requests=6120, failed=0))
BAD = (Jobs(acknowledged=6120, executed=6117, lost=3, duplicated=1), Http(requests=6120, failed=14))
VALKEY = Target("valkey", "8.0.1", "Dragonfly is not on PATH and could not be downloaded; valkey-server is on PATH.")
STAND_IN = Target("dragonfly", "1.40.0-stand-in", "No Dragonfly was found; a stand-in was given.")


def spans() -> Iterator[Span]:
    now = START + 8
    for verb, phases in _PHASES.items():
        for phase, seconds in phases.items():
            yield Span(verb, phase, now, now + seconds)
            now += seconds
        now += 9


def attempts(failures: int = 0) -> list[Attempt]:
    """Ten attempts a second of each probe; those that fall into a switch wait."""
    chance = random.Random(5)
    switches = [span for span in spans() if span.phase == "Switch producers"]
    found = []
    for probe, usual in (("enqueue", 3.0), ("cache", 0.4), ("http", 12.0)):
        for number in range(600):
            at = START + number / 10
            ms = usual * chance.lognormvariate(0, 0.35)
            if any(span.start < at < span.start + 0.4 for span in switches):
                ms += chance.uniform(40, 210)
            found.append(Attempt(probe, at, ms))
        start = switches[0].start
        found += [Attempt(probe, start + number / 10, 20.0, "ConnectionError: refused") for number in range(failures)]
    return found


def gate() -> list[Need]:
    full = "a full cache that refuses writes gives 500 on every page"
    remedy = "start it with --keys_output_limit=1000000"
    return [
        Need("cache", "Memory policy fits the purpose", full, "maxmemory 512 MiB, allkeys-lru", "ok"),
        Need("cache", "KEYS returns every key", "clear_cache", "8,192 of 9,000", "setting", remedy),
        Need("cache", "Client tracking with redirect", "the client cache of Frappe 16", "not asked", "ok"),
        Need("queue", "A job lives and ends", "RQ, for every job", "enqueued, run, finished, result kept", "ok"),
        Need("queue", "A queue can be emptied", "bench purge-jobs", "a script touched undeclared keys", "ok"),
    ]


WORKLOAD = {
    "name": "frappe-site",
    "description": "Reads and a few writes as a busy Frappe site makes them",
    "clients": 8,
    "items": 1000,
    "families": {"session": {"shape": "hash-per-site", "bytes": 400}},
    "operations": [
        {"command": "HGET", "family": "session", "share": 90},
        {"command": "HSET", "family": "session", "share": 10},
    ],
}
STORES = (("shop-cache-old", 1.0), ("shop-cache", 1.24))


def samples(seconds: int, hosts: int = 1) -> tuple[Sample, ...]:
    """As the sampler leaves them: a row a second of each store and of each host that makes load."""
    chance = random.Random(11)

    def rows(**usual: float) -> list[dict[str, float]]:
        return [
            {"time": START + at, **{name: value * chance.uniform(0.9, 1.1) for name, value in usual.items()}}
            for at in range(seconds)
        ]

    stores = {name: rows(used_memory=9e7 / speed, store_cpu=0.9 / speed, rss_peak=1.1e8) for name, speed in STORES}
    load = [Sample(f"load{number}", "generator", rows(cpu=40.0, steal=0.0), 0.004) for number in range(1, hosts + 1)]
    return (*(Sample("cache1", "store", some, 0.004, name) for name, some in stores.items()), *load)


def benchmark() -> Benchmark:
    chance = random.Random(7)
    trials: list[Trial] = []
    for number in range(1, 11):
        slowness = chance.uniform(0.8, 1.1)  # of the machine, in this round
        for store, speed in chance.sample([*STORES, *STORES], 4):
            rate = 48_000 * speed * slowness * chance.uniform(0.97, 1.03)
            p50, p95, p99 = (
                8000 / rate,
                15000 / rate * chance.uniform(0.8, 1.3),
                26000 / rate * chance.uniform(0.7, 1.5),
            )
            figures = Measurement(round(rate * 2), 2.0, rate, p50, p95, p99, 0)
            twin = any((trial.round, trial.store) == (number, store) for trial in trials)
            started = START + 3 * len(trials)
            trials.append(Trial(number, store, figures, (), started=started, twin=twin))
    trials[5] = replace(trials[5], invalid=("318 keys evicted",))
    payload = "x" * 400
    line = (
        "memtier_benchmark --server 127.0.0.1 --port {} --threads 1 --clients 8 --test-time 2 "
        f"--command 'HSET benchfly:bench:session __key__ {payload}' --command-ratio 1"
    )
    ports = {"shop-cache-old": 13000, "shop-cache": 13010}
    return Benchmark(
        workload=parse("frappe-site", {key: value for key, value in WORKLOAD.items() if key != "name"}),
        generator="memtier_benchmark",
        version="2.2.1",
        caveat="",
        seconds=2.0,
        seed=20261123,
        stores=(
            Server("shop-cache-old", "127.0.0.1:13000", "redis", "7.0.15", foreign_keys=2716),
            Server("shop-cache", "127.0.0.1:13010", "valkey", "8.0.1", foreign_keys=0),
        ),
        trials=tuple(trials),
        environments={"cache1": {"kernel": "6.1.0-21-amd64", "cpu_model": "Neoverse-V1", "cpus": 8, "thp": "madvise"}},
        samples=samples(3 * len(trials)),
        outputs=tuple(Output((line.format(ports[trial.store]),), {}) for trial in trials),
    )


def summary(counts: tuple[Jobs, Http] = GOOD, target: Target = VALKEY) -> Summary:
    jobs, http = counts
    moved = next(spans()).start
    return Summary(
        jobs=jobs,
        enqueue=Enqueue(refused=0),
        http=http,
        gap_ms=gaps(attempts(), since=moved),
        latency_ms=latencies(attempts(), since=moved),
        before=Before(gaps(attempts(), until=moved), latencies(attempts(), until=moved)),
        phases=[Phase(verb, phase, seconds) for verb, phases in _PHASES.items() for phase, seconds in phases.items()],
        target=target,
        report=".benchfly/demo/report.html",
    )


def report(closing: Summary, failures: int = 0) -> ReportData:
    return ReportData(
        title="benchfly demo: a bench there and back",
        created=datetime(2026, 11, 23, 6, 20, tzinfo=UTC),
        run_id="20261123-061205-demo-4f2a",
        move=Move("The bench stand-in", "Redis 7.0.15", closing, attempts(failures), list(spans()), gate()),
        benchmark=benchmark(),
        claims=claims.table([claims.Evidence("20261123-061205-benchmark-4f2a", benchmark())]),
        comparison=compare(benchmark().trials, [store for store, _ in STORES]),
        environment={
            "Machine": "2 cores, 7.8 GB of memory",
            "Kernel": "Linux 6.1.0-21-amd64, transparent huge pages: madvise",
            "Bench": "Frappe 15 stand-in, rq 1.15.1, redis-py 4.5.5, gunicorn 22.0.0",
            "benchfly": "0.1.0, ansible-core 2.19.14, Python 3.11.7",
        },
        files=[
            File("summary.json", "these figures as data"),
            File("canary.jsonl", "every attempt of the probes"),
            File("benchmark.json", "trials, with raw outputs and command lines", "3b1f" * 16),
            File("ansible.log", "all that Ansible said"),
        ],
    )
