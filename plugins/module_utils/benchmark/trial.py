"""One trial by several processes and hosts: its share of the load for each, and one measurement of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from statistics import median

from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import histogram
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import (
    Generator,
    Load,
    Measurement,
    Output,
    OutputError,
    Reading,
)


def shares(load: Load, parts: int) -> list[Load]:
    """The load of each of so many processes; one without a client has nothing to do and is left out."""
    parts = min(parts, load.clients)
    found, first = [], 0
    for part in range(parts):
        clients = load.clients // parts + (part < load.clients % parts)
        share = clients / load.clients
        items = load.items - first if part == parts - 1 else round(load.items * share)
        found.append(
            Load(
                seconds=load.seconds,
                clients=clients,
                rate=load.rate * share,
                expected=load.expected * share,
                first=load.first + first,
                items=items,
                seed=load.seed + part,
            )
        )
        first += items
    return found


def merge(readings: Sequence[Reading]) -> Reading:
    """One reading of all processes of a trial. Raises OutputError without any.

    Operations and rates add up. Percentiles are those of all latencies; where a process tells none, the greatest of
    the processes' percentiles, which that of all cannot exceed. They are never averaged.
    """
    if not readings:
        raise OutputError("no process left a measurement")
    measurements = [reading.measurement for reading in readings]
    operations, seconds = sum(each.operations for each in measurements), max(each.seconds for each in measurements)
    if all(each.histogram for each in measurements):
        try:
            whole = histogram.merge([(each.measurement.histogram, each.interval_us) for each in readings])
        except histogram.HistogramError as error:
            raise OutputError(str(error)) from error
        p50, p95, p99, p999 = (whole.get_value_at_percentile(share) / 1000 for share in (50, 95, 99, 99.9))
        longest, encoded = whole.get_max_value() / 1000, whole.encode().decode()
    else:
        p50, p95, p99 = (max(getattr(each, name) for each in measurements) for name in ("p50_ms", "p95_ms", "p99_ms"))
        p999, longest, encoded = _greatest(measurements, "p999_ms"), _greatest(measurements, "max_ms"), ""
    return Reading(
        Measurement(
            operations=operations,
            seconds=seconds,
            ops_per_second=round(sum(each.ops_per_second for each in measurements), 2),
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
            errors=sum(each.errors for each in measurements),
            p999_ms=p999,
            max_ms=longest,
            histogram=encoded,
        ),
        series=tuple(sum(counts) for counts in zip_longest(*(each.series for each in readings), fillvalue=0)),
        details=readings[0].details,
    )


def in_turn(readings: Sequence[Reading]) -> Reading:
    """One reading of the windows of a trial, one after the other: their times add up, not their rates."""
    merged = merge(readings)
    seconds = sum(reading.measurement.seconds for reading in readings)
    rate = round(merged.measurement.operations / seconds, 2) if seconds else 0.0
    series = tuple(count for reading in readings for count in reading.series)
    return replace(merged, measurement=replace(merged.measurement, seconds=seconds, ops_per_second=rate), series=series)


def stalls(series: Sequence[int], below: float = 0.5) -> list[int]:
    """Lengths in seconds of the times in which throughput was less than that share of its median.

    For load that was offered throughout, as in every trial. The last second is seldom a whole one, and is left out.
    """
    whole = series[:-1]
    if len(whole) < 3:
        return []
    limit, lengths, length = median(whole) * below, [], 0
    for count in [*whole, limit]:
        if count < limit:
            length += 1
        elif length:
            lengths.append(length)
            length = 0
    return lengths


def _greatest(measurements: Sequence[Measurement], name: str) -> float | None:
    values = [getattr(each, name) for each in measurements]
    return None if None in values else max(values)


def name_of(host: str, process: int, window: int) -> str:
    """What the files of a process in a window are kept under."""
    return f"window-{window}/{host}-{process}"


def together(outputs: Mapping[str, Output]) -> Output:
    """The outputs of several processes and windows, by name, as one."""
    lines = [line for output in outputs.values() for line in output.command_lines]
    files = {f"{name}/{file}": text for name, output in outputs.items() for file, text in output.files.items()}
    return Output(tuple(lines), files)


def apart(output: Output) -> dict[str, Output]:
    """The outputs that were put together, by name."""
    found: dict[str, dict[str, str]] = {}
    for path, text in output.files.items():
        name, _, file = path.rpartition("/")
        found.setdefault(name, {})[file] = text
    each = len(output.command_lines) // max(1, len(found))  # the same number for each process
    lines = (output.command_lines[at * each : (at + 1) * each] for at in range(len(found)))
    return {name: Output(tuple(own), files) for (name, files), own in zip(found.items(), lines)}


def measure(generator: Generator, outputs: Mapping[str, Output]) -> tuple[Reading, list[Reading]]:
    """The whole trial, and each of its windows. Raises OutputError."""
    windows: dict[str, list[Reading]] = {}
    for name, output in outputs.items():
        windows.setdefault(name.partition("/")[0], []).append(generator.parse(output))
    merged = [merge(readings) for readings in windows.values()]
    return in_turn(merged) if len(merged) != 1 else merged[0], merged
