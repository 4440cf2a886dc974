"""Writes the Grafana dashboards: `python dashboard.py stores > files/prometheus/dashboard.json`, and `history`.

DASHBOARDS is all there is to say; the rest is what Grafana wants around it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 8, 7  # three panels side by side in Grafana's grid of 24
SOURCE = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True)
class Panel:
    """One question: PromQL by legend (what was chosen stands where `~` does), Grafana's unit, and what it means."""

    title: str
    queries: dict[str, str]
    unit: str
    description: str
    kind: str = "timeseries"
    most: float | None = None  # of the axis


@dataclass(frozen=True)
class Dashboard:
    """`labels` of the series `known` are chosen at the top; `since` is how far it looks back."""

    title: str
    known: str
    labels: tuple[str, ...]
    since: str
    panels: tuple[Panel, ...]

    @property
    def chosen(self) -> str:
        """What was chosen, as PromQL has it."""
        return "{" + ",".join(f'{label}=~"${label}"' for label in self.labels) + "}"


STORES = (
    Panel(
        "Is it up?",
        {"{{store}}": "redis_up~"},
        "bool_on_off",
        "Whether the store answers the exporter. A gap: the exporter itself was not reached.",
        "state-timeline",
    ),
    Panel("Since when?", {"{{store}}": "redis_uptime_in_seconds~"}, "s", "Time since the store started.", "stat"),
    Panel(
        "Can it save?",
        {
            "{{store}} snapshot": "redis_rdb_last_bgsave_status~",
            "{{store}} append": "redis_aof_last_write_status~",
            "{{store}} rewrite": "redis_aof_last_bgrewrite_status~",
        },
        "bool_yes_no",
        "Whether the last snapshot, append and rewrite went well. Dragonfly has snapshots only.",
        "state-timeline",
    ),
    Panel(
        "Is it full?",
        {"{{store}}": "redis_memory_used_bytes~ / (redis_memory_max_bytes~ > 0)"},
        "percentunit",
        "Data of the declared memory. A cache may stay at 100 %; a queue refuses jobs there.",
        most=1,
    ),
    Panel(
        "How large is the process?",
        {"{{store}}": "redis_memory_used_rss_bytes~"},
        "bytes",
        "Resident memory. Well above the declared memory: fragmentation, clients' buffers, or a snapshot under way.",
    ),
    Panel(
        "How many keys?",
        {"{{store}}": "sum without (db) (redis_db_keys~)"},
        "short",
        "Keys of all databases. A queue that only grows has no workers, or keeps results for long.",
    ),
    Panel(
        "Does it evict?",
        {"{{store}}": "rate(redis_evicted_keys_total~[$__rate_interval])"},
        "ops",
        "Keys thrown away for want of memory. Anything above zero on a queue is lost work.",
    ),
    Panel(
        "Does it hit?",
        {
            "{{store}}": "rate(redis_keyspace_hits_total~[$__rate_interval]) / (rate(redis_keyspace_hits_total~"
            "[$__rate_interval]) + rate(redis_keyspace_misses_total~[$__rate_interval]))"
        },
        "percentunit",
        "Reads that found their key. On a cache that evicts, more memory raises it. On a queue it means little.",
        most=1,
    ),
    Panel(
        "What does it refuse?",
        {
            "{{store}} {{err}}": "rate(redis_errors_total~[$__rate_interval])",
            "{{store}} connections": "rate(redis_rejected_connections_total~[$__rate_interval])",
        },
        "ops",
        "Errors by kind (OOM: full, MISCONF: cannot save), connections beyond max_clients. Dragonfly counts neither.",
    ),
    Panel(
        "How much work?",
        {"{{store}}": "rate(redis_commands_processed_total~[$__rate_interval])"},
        "ops",
        "Commands per second.",
    ),
    Panel(
        "How long does a command take?",
        {
            "{{store}}": "sum without (cmd) (rate(redis_commands_duration_seconds_total~[$__rate_interval])) / "
            "sum without (cmd) (rate(redis_commands_total~[$__rate_interval]))"
        },
        "s",
        "Mean time that the server takes for a command, without the network. The tail is in SLOWLOG.",
    ),
    Panel(
        "Which commands take its time?",
        {"{{store}} {{cmd}}": "topk(8, rate(redis_commands_duration_seconds_total~[$__rate_interval]))"},
        "percentunit",
        "Share of one thread. Near 100 % in sum, Redis and Valkey serve no faster whatever the host has.",
    ),
    Panel(
        "Who is connected?",
        {"{{store}}": "redis_connected_clients~", "{{store}} at most": "redis_max_clients~"},
        "short",
        "Connections, and how many there may be where the server says it (not Dragonfly).",
    ),
    Panel(
        "Who waits for jobs?",
        {"{{store}}": "redis_blocked_clients~"},
        "short",
        "Idle workers block on a queue. Zero for long: no worker runs, or all are busy all the time.",
    ),
    Panel(
        "How long does it stand still to fork?",
        {"{{store}}": "redis_latest_fork_seconds~"},
        "s",
        "At each snapshot and rewrite of Redis and Valkey nobody is served for so long. Dragonfly does not fork.",
    ),
)

HISTORY = (
    Panel(
        "How fast?",
        {"{{schedule}} {{store}}": "benchfly_scheduled_ops_per_second~"},
        "short",
        "Throughput of the last run, in operations/s; of a store against another the ratio of both.",
    ),
    Panel(
        "How late are the slowest?",
        {"{{schedule}} {{store}}": "benchfly_scheduled_p99_ms~"},
        "short",
        "What 99 % of the answers took less than, in ms; of a store against another the ratio of both.",
    ),
    Panel(
        "How late is the middle?",
        {"{{schedule}} {{store}}": "benchfly_scheduled_p50_ms~"},
        "short",
        "What half of the answers took less than, in ms; of a store against another the ratio of both.",
    ),
    Panel(
        "How much work is it?",
        {"{{schedule}} {{store}}": "benchfly_scheduled_cpu_us~"},
        "short",
        "Processor time of the store for an operation, in µs; of a store against another the ratio of both.",
    ),
    Panel(
        "What was found?",
        {"{{schedule}} {{kind}}": "benchfly_scheduled_findings~ > 0"},
        "short",
        "Findings of the last run, by kind: changes of speed, and runs that failed or were missed.",
    ),
    Panel(
        "Did it measure?",
        {"{{schedule}}": "benchfly_scheduled_run_measured~"},
        "bool_yes_no",
        "Whether the last run measured, or was put off, missed or failed.",
        "state-timeline",
    ),
    Panel(
        "Since when not?",
        {"{{schedule}}": "time() - benchfly_scheduled_measured_timestamp_seconds~"},
        "s",
        "Time since the last run that measured. More than its calendar has between two runs: nobody measures any more.",
    ),
)

DASHBOARDS = {
    "stores": Dashboard("Stores of Frappe benches", "redis_up", ("host", "purpose", "store"), "now-6h", STORES),
    "history": Dashboard(
        "Scheduled benchmarks of stores",
        "benchfly_scheduled_run_timestamp_seconds",
        ("schedule",),
        "now-180d",
        HISTORY,
    ),
}


def panel(number: int, what: Panel, chosen: str) -> dict[str, Any]:
    """A panel in Grafana's words, in its place on the grid."""
    row, column = divmod(number, 24 // WIDTH)
    switch = {"0": {"text": "no", "color": "red"}, "1": {"text": "yes", "color": "green"}}
    defaults: dict[str, Any] = {"unit": what.unit, "min": 0}
    if what.most is not None:
        defaults["max"] = what.most
    if what.kind == "state-timeline":
        defaults["mappings"] = [{"type": "value", "options": switch}]
    return {
        "id": number + 1,
        "type": what.kind,
        "title": what.title,
        "description": what.description,
        "datasource": SOURCE,
        "gridPos": {"h": HEIGHT, "w": WIDTH, "x": column * WIDTH, "y": row * HEIGHT},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {"refId": chr(65 + index), "expr": expr.replace("~", chosen), "legendFormat": legend, "datasource": SOURCE}
            for index, (legend, expr) in enumerate(what.queries.items())
        ],
    }


def variables(of: Dashboard) -> Iterator[dict[str, Any]]:
    """What is chosen at the top, each within what the ones before it leave."""
    yield {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    before: list[str] = []
    for label in of.labels:
        query = f"label_values({of.known}{{{','.join(before)}}}, {label})"
        yield {
            "name": label,
            "label": label.capitalize(),
            "type": "query",
            "datasource": SOURCE,
            "query": {"query": query, "refId": label},
            "refresh": 2,  # whenever the time range changes, since stores come and go
            "includeAll": True,
            "multi": True,
            "current": {"text": "All", "value": "$__all"},
        }
        before.append(f'{label}=~"${label}"')


def dashboard(name: str) -> dict[str, Any]:
    """What Grafana imports."""
    of = DASHBOARDS[name]
    return {
        "uid": f"benchfly-{name}",
        "title": of.title,
        "tags": ["benchfly", "frappe"],
        "schemaVersion": 39,
        "refresh": "1m",
        "time": {"from": of.since, "to": "now"},
        "templating": {"list": list(variables(of))},
        "panels": [panel(number, what, of.chosen) for number, what in enumerate(of.panels)],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(dashboard(sys.argv[1]), indent=1) + "\n")
