"""redis-benchmark and valkey-benchmark: a process per command, so the commands of the mix run one after the other."""

from __future__ import annotations

import csv
import re

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.families import variants
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import (
    Generator,
    Load,
    Measurement,
    Output,
    OutputError,
    Program,
    Reading,
    Target,
    command_line,
    find_program,
    last_line,
    run_program,
    scratch,
    value,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import Workload

_HEADER = [
    "test", "rps", "avg_latency_ms", "min_latency_ms", "p50_latency_ms", "p95_latency_ms", "p99_latency_ms",
    "max_latency_ms",
]  # fmt: skip
_TROUBLE = re.compile(r"^Error.*|^.* replied with error.*(?:\n.*)?|^Could not connect.*", re.MULTILINE)

# It plays a number of requests, not a time; this many per second are assumed before anything was measured.
_ASSUMED_RATE = 5_000


class RedisBenchmark(Generator):
    name = "redis-benchmark"
    caveat = (
        "It plays the commands of the mix one after the other; the latencies are those of the slowest command, "
        "which no percentile of the mix can exceed."
    )

    def find(self, path: str = "") -> Program | None:
        return find_program(self.name, path, rf"{self.name} (\d[\w.-]*)")

    def objection(self, workload: Workload) -> str:
        if workload.scenario:
            return f"it plays mixes of commands only, and {workload.name} is {workload.scenario}"
        if workload.rates:
            return "it has no open loop, and tells too little of its latencies to put in what it leaves out"
        if any(family.keys.kind == "sequence" for family in workload.families):
            return "it takes items at random, and this workload wants each of them once"
        return ""

    def approximations(self, workload: Workload) -> list[str]:
        found = []
        if any(family.keys.kind != "uniform" for family in workload.families):
            found.append("It asks for all items alike, whatever the workload says of hot ones.")
        if any(family.ttl for family in workload.families):
            found.append("Its writes do not renew the time to live.")
        return found

    def run(self, program: Program, target: Target, workload: Workload, load: Load) -> Output:
        argv = [program.path, "-h", target.host, "-p", str(target.port)]
        argv += ["--dbnum", str(target.database)] if target.database else []
        argv += ["-c", str(load.clients), "--csv", "--precision", "3"]
        lines, files = [], {}
        with scratch() as folder:
            for number, each in enumerate(variants(workload.operations), 1):
                operation = each.operation
                requests = max(load.clients, round((load.expected or _ASSUMED_RATE) * load.seconds * each.share / 100))
                words = ["-r", str(operation.family.items), "-n", str(requests), *(["-x"] if operation.writes else [])]
                words += operation.words("__rand_int__")
                payload = value(each.bytes) if operation.writes else ""
                # Without a server it tries again for ever, hence the timeout.
                ended = run_program([*argv, *words], payload, folder, timeout=load.seconds * 5 + 30)
                lines.append(command_line([*argv, *words]) + (f" <<< {len(payload)}*x" if payload else ""))
                files[f"{number}.csv"], files[f"{number}.stderr"] = ended.stdout, ended.stderr
        return Output(tuple(lines), files)

    def parse(self, output: Output) -> Reading:
        """Put the operations together: their rates by the time each took, their latencies by the slowest."""
        if not output.command_lines:
            raise OutputError(f"there is no output of {self.name}")
        results = [_result(output, number) for number in range(1, len(output.command_lines) + 1)]
        operations = sum(result.operations for result in results)
        seconds = sum(result.seconds for result in results)
        if not seconds:
            raise OutputError(f"{self.name} was done before it had measured how long it took; play for longer")
        return Reading(
            Measurement(
                operations=operations,
                seconds=round(seconds, 3),
                ops_per_second=round(operations / seconds, 2),
                p50_ms=max(result.p50_ms for result in results),
                p95_ms=max(result.p95_ms for result in results),
                p99_ms=max(result.p99_ms for result in results),
                errors=sum(result.errors for result in results),
                max_ms=max(result.max_ms or 0.0 for result in results),
            )
        )


class ValkeyBenchmark(RedisBenchmark):
    name = "valkey-benchmark"


def _result(output: Output, number: int) -> Measurement:
    """One process's measurement. It prints its row of CSV only when all its requests are done."""
    stdout, stderr = output.files.get(f"{number}.csv", ""), output.files.get(f"{number}.stderr", "")
    troubles = _TROUBLE.findall(stdout + stderr)
    try:
        header, row = csv.reader(stdout.splitlines())
        if header != _HEADER:
            raise ValueError(header)
        figures = dict(zip(header, row))
        rate = float(figures["rps"])
        requests = int(output.command_lines[number - 1].partition(" -n ")[2].split()[0])
        return Measurement(
            operations=requests,
            seconds=requests / rate,
            ops_per_second=rate,
            p50_ms=float(figures["p50_latency_ms"]),
            p95_ms=float(figures["p95_latency_ms"]),
            p99_ms=float(figures["p99_latency_ms"]),
            errors=len(troubles),
            max_ms=float(figures["max_latency_ms"]),
        )
    except (ValueError, KeyError, IndexError, ZeroDivisionError) as error:
        said = troubles[0] if troubles else last_line(stderr)
        raise OutputError(f"this is no output of redis-benchmark --csv. {said}") from error
