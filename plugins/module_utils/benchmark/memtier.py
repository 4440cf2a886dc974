"""memtier_benchmark, 2.0 and later: the whole mix at once on several connections, for a given time."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import reduce
from math import gcd

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import (
    Generator,
    Measurement,
    Output,
    OutputError,
    Program,
    Target,
    command_line,
    find_program,
    last_line,
    read,
    run_program,
    scratch,
    value,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import Workload

_JSON, _STDERR = "memtier.json", "memtier.stderr"

# It ends with 0 whatever happens, and counts error replies as operations: only stderr tells, in a line for each.
_TROUBLE = re.compile(r"^(?:(\d+) times: )?.*(?:handle error response: (.*)|(Connection error: .*))", re.MULTILINE)


class Memtier(Generator):
    name = "memtier_benchmark"
    first_item = 1  # it refuses 0
    item_format = "%d"

    def find(self, path: str = "") -> Program | None:
        return find_program(self.name, path, r"memtier_benchmark v?=?\s*(\d[\w.-]*)")

    def run(self, program: Program, target: Target, workload: Workload, seconds: float, rate: float) -> Output:
        argv = self._argv(program, target, workload, seconds)
        with scratch() as folder:
            ended = run_program(argv, "", folder, timeout=seconds * 3 + 30)
            files = {_JSON: read(folder, _JSON), _STDERR: _squeezed(ended.stderr)}
        return Output((command_line(argv),), files)

    @staticmethod
    def _argv(program: Program, target: Target, workload: Workload, seconds: float) -> list[str]:
        argv = [program.path, "--server", target.host, "--port", str(target.port)]
        argv += ["--select-db", str(target.database)] if target.database else []
        # One thread: a second one takes a core away from the store on a small machine.
        argv += ["--threads", "1", "--clients", str(workload.clients), "--test-time", str(max(1, round(seconds)))]
        argv += ["--key-prefix", "", "--key-minimum", "1", "--key-maximum", str(workload.items)]
        argv += ["--distinct-client-seed", "--print-percentiles", "50,95,99", "--hide-histogram"]
        argv += ["--json-out-file", _JSON]
        # It sends each command `ratio` times in a row, so ratios are kept small.
        divisor = reduce(gcd, (operation.share for operation in workload.operations))
        for operation in workload.operations:
            words = operation.words("__key__") + ([value(operation.family.bytes)] if operation.writes else [])
            argv += ["--command", " ".join(words), "--command-ratio", str(operation.share // divisor)]
            argv += ["--command-key-pattern", "R"]
        return argv

    def parse(self, output: Output) -> Measurement:
        """Read the one run in the JSON file. Of several runs it says more (best, worst), which is not to be trusted."""
        stderr = output.files.get(_STDERR, "")
        troubles = [(int(times or 1), reply or lost) for times, reply, lost in _TROUBLE.findall(stderr)]
        try:
            content = json.loads(output.files.get(_JSON, ""))
            totals, seconds = content["ALL STATS"]["Totals"], content["configuration"]["test_time"]
            if not totals["Count"]:
                said = troubles[0][1] if troubles else last_line(stderr)
                raise OutputError(f"memtier_benchmark completed no operation. {said}")
            percentiles = totals["Percentile Latencies"]
            return Measurement(
                operations=int(totals["Count"]),
                seconds=float(seconds),
                # Its own "Ops/sec" divides by a mean of the connections' times that is off by up to a second.
                ops_per_second=round(totals["Count"] / seconds, 2),
                p50_ms=float(percentiles["p50.00"]),
                p95_ms=float(percentiles["p95.00"]),
                p99_ms=float(percentiles["p99.00"]),
                errors=sum(times for times, _ in troubles),
            )
        except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
            raise OutputError(f"this is no output of one memtier_benchmark run. {last_line(stderr)}") from error


def _squeezed(stderr: str) -> str:
    """Equal lines once, with their number, where a full store would make millions of them."""
    lines = Counter(line for line in re.split(r"[\r\n]+", stderr) if line)
    return "".join(f"{times} times: {line}\n" if times > 1 else f"{line}\n" for line, times in lines.items())
