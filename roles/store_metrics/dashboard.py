"""Writes the Grafana dashboard: `python dashboard.py > files/prometheus/dashboard.json`.

PANELS is all there is to say; the rest is what Grafana wants around it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

CHOSEN = '{host=~"$host",purpose=~"$purpose",store=~"$store"}'
WIDTH, HEIGHT = 8, 7  # three panels side by side in Grafana's grid of 24
SOURCE = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True)
class Panel:
    """One question: PromQL by legend (CHOSEN stands where `~` does), Grafana's unit, and what the answer means."""

    title: str
    queries: dict[str, str]
    unit: str
    description: str
    kind: str = "timeseries"
    most: float | None = None  # of the axis


PANELS = (
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


def panel(number: int, what: Panel) -> dict[str, Any]:
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
            {"refId": chr(65 + index), "expr": expr.replace("~", CHOSEN), "legendFormat": legend, "datasource": SOURCE}
            for index, (legend, expr) in enumerate(what.queries.items())
        ],
    }


def variables() -> Iterator[dict[str, Any]]:
    """What is chosen at the top, each within what the ones before it leave."""
    yield {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    before: list[str] = []
    for label in ("host", "purpose", "store"):
        query = f"label_values(redis_up{{{','.join(before)}}}, {label})"
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


def dashboard() -> dict[str, Any]:
    """What Grafana imports."""
    return {
        "uid": "benchfly-stores",
        "title": "Stores of Frappe benches",
        "tags": ["benchfly", "frappe"],
        "schemaVersion": 39,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": list(variables())},
        "panels": [panel(number, what) for number, what in enumerate(PANELS)],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(dashboard(), indent=1) + "\n")
