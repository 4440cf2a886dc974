"""memtier_benchmark, 2.0 and later: the whole mix at once on several connections, for a given time."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import reduce
from math import gcd

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.families import (
    HASH,
    Operation,
    Variant,
    variants,
)
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
    read,
    run_program,
    scratch,
    value,
)
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import Workload

_JSON, _STDERR = "memtier.json", "memtier.stderr"
_PATTERNS = {"uniform": "R", "zipf": "Z", "sequence": "P", "hot": "R"}

# It ends with 0 whatever happens, and counts error replies as operations: only stderr tells, in a line for each.
_TROUBLE = re.compile(r"^(?:(\d+) times: )?.*(?:handle error response: (.*)|(Connection error: .*))", re.MULTILINE)


class Memtier(Generator):
    name = "memtier_benchmark"
    first_item = 1  # it refuses 0
    item_format = "%d"

    def find(self, path: str = "") -> Program | None:
        return find_program(self.name, path, r"memtier_benchmark v?=?\s*(\d[\w.-]*)")

    def objection(self, workload: Workload) -> str:
        if workload.scenario:
            return f"it plays mixes of commands only, and {workload.name} is {workload.scenario}"
        uneven = [family.name for family in workload.families if family.items not in (1, workload.items)]
        if uneven:
            return f"all of its commands have the same items, and {uneven[0]} has not as many as the largest family"
        return ""

    def approximations(self, workload: Workload) -> list[str]:
        keys = {family.keys for family in workload.families}
        found = []
        if any(each.kind == "hot" for each in keys):
            found.append("It plays hot lists as if all items were asked for alike.")
        if len({each.exponent for each in keys if each.kind == "zipf"}) > 1:
            found.append("It knows one exponent of Zipf's law, and took the first.")
        if any(family.ttl for family in workload.families):
            found.append("Its writes do not renew the time to live.")
        if workload.rates:
            found.append(
                "It limits the rate of each connection and times from the actual sending, so what waited behind a slow "
                "reply was put in by HdrHistogram's correction for coordinated omission, which is an estimate."
            )
        return found

    def run(self, program: Program, target: Target, workload: Workload, load: Load) -> Output:
        argv = self._argv(program, target, workload, load)
        with scratch() as folder:
            ended = run_program(argv, "", folder, timeout=load.seconds * 3 + 30)
            files = {_JSON: read(folder, _JSON), _STDERR: _squeezed(ended.stderr)}
        return Output((command_line(argv),), files)

    def _argv(self, program: Program, target: Target, workload: Workload, load: Load) -> list[str]:
        argv = [program.path, "--server", target.host, "--port", str(target.port)]
        argv += ["--select-db", str(target.database)] if target.database else []
        # One thread: a second one takes a core away from the store on a small machine. More processes are asked for.
        argv += ["--threads", "1", "--clients", str(load.clients)]
        first = load.first + self.first_item
        argv += ["--key-prefix", "", "--key-minimum", str(first), "--key-maximum", str(first + load.items - 1)]
        argv += ["--distinct-client-seed", "--print-percentiles", "50,95,99,99.9", "--hide-histogram"]
        argv += ["--json-out-file", _JSON]
        if any(family.keys.kind == "sequence" for family in workload.families):
            argv += ["--requests", "allkeys"]
        elif load.rate and load.seconds < 1:  # its time is in whole seconds
            argv += ["--requests", str(max(1, round(load.rate / load.clients * load.seconds)))]
        else:
            argv += ["--test-time", str(max(1, round(load.seconds)))]
        argv += ["--rate-limiting", str(max(1, round(load.rate / load.clients)))] if load.rate else []
        exponents = [family.keys.exponent for family in workload.families if family.keys.kind == "zipf"]
        argv += ["--key-zipf-exp", f"{exponents[0]:g}"] if exponents else []
        # It sends each command `ratio` times in a row, so ratios are kept small.
        sizes = {operation.family.sizes for operation in workload.operations if operation.writes}
        if len(sizes) == 1:  # it draws them itself
            argv += ["--data-size-list", ",".join(f"{size}:{round(share * 100)}" for size, share in sizes.pop())]
            wanted = [Variant(operation, 0, operation.share) for operation in workload.operations]
        else:
            wanted = list(variants(workload.operations))
        ratios = [max(1, round(each.share * 100)) for each in wanted]
        divisor = reduce(gcd, ratios)
        for each, ratio in zip(wanted, ratios):
            words = self._words(each.operation, workload.items)
            words += [value(each.bytes) if each.bytes else "__data__"] if each.operation.writes else []
            argv += ["--command", " ".join(words), "--command-ratio", str(ratio // divisor)]
            argv += ["--command-key-pattern", _PATTERNS[each.operation.family.keys.kind]]
        return argv

    @staticmethod
    def _words(operation: Operation, items: int) -> list[str]:
        """The command; that of a family of one item as it is, for the range of keys is that of the others."""
        alone = operation.family.items == 1 and (items > 1 or operation.family.shape == HASH)
        return operation.words("1" if alone else "__key__")

    def parse(self, output: Output) -> Reading:
        """Read the one run in the JSON file. Of several runs it says more (best, worst), which is not to be trusted."""
        stderr = output.files.get(_STDERR, "")
        troubles = [(int(times or 1), reply or lost) for times, reply, lost in _TROUBLE.findall(stderr)]
        try:
            content = json.loads(output.files.get(_JSON, ""))
            stats, configuration = content["ALL STATS"], content["configuration"]
            totals, percentiles = stats["Totals"], stats["Totals"]["Percentile Latencies"]
            if not totals["Count"]:
                said = troubles[0][1] if troubles else last_line(stderr)
                raise OutputError(f"memtier_benchmark completed no operation. {said}")
            limit = configuration.get("rate_limit", 0)
            # Its own "Ops/sec" divides by a mean of the connections' times that is off by up to a second. So is its
            # duration; where a number of requests was limited in rate, theirs is as it was meant to be.
            planned = configuration["requests"] / limit if limit else stats["Runtime"]["Total duration"] / 1000
            seconds = configuration["test_time"] or planned
            measurement = Measurement(
                operations=int(totals["Count"]),
                seconds=float(seconds),
                ops_per_second=round(totals["Count"] / seconds, 2),
                p50_ms=float(percentiles["p50.00"]),
                p95_ms=float(percentiles["p95.00"]),
                p99_ms=float(percentiles["p99.00"]),
                errors=sum(times for times, _ in troubles),
                p999_ms=percentiles.get("p99.90"),
                max_ms=totals.get("Max Latency"),
                histogram=percentiles.get("Histogram log format", {}).get("Compressed Histogram", ""),
            )
            series = tuple(int(second["Count"]) for second in totals.get("Time-Serie", {}).values())
            return Reading(measurement, series, interval_us=1_000_000 / limit if limit else 0.0)
        except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
            raise OutputError(f"this is no output of one memtier_benchmark run. {last_line(stderr)}") from error


def _squeezed(stderr: str) -> str:
    """Equal lines once, with their number, where a full store would make millions of them."""
    lines = Counter(line for line in re.split(r"[\r\n]+", stderr) if line)
    return "".join(f"{times} times: {line}\n" if times > 1 else f"{line}\n" for line, times in lines.items())
