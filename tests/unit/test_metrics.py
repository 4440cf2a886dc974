"""What the exporter is told, and that alert rules and dashboard ask only for what it gives."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.benchfly.stores.plugins.filter import metrics

from benchfly.results.history import Scheduled
from benchfly.schedule.findings import FIGURES
from benchfly.schedule.metrics import write

ROOT = Path(__file__).parents[2]
ROLE = ROOT / "roles/store_metrics"
RULES = [
    rule
    for group in yaml.safe_load((ROLE / "files/prometheus/rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((ROLE / "files/prometheus/dashboard.json").read_text())
HISTORY = json.loads((ROLE / "files/prometheus/history.json").read_text())
TESTED = (ROOT / "tests/data/metrics/rules_test.yml").read_text()
DOCS = (ROOT / "docs/metrics.md").read_text()

# What a server or an exporter does not give; docs/metrics.md says it too.
MISSING = {
    "redis-8.0": set(),
    "valkey-8.1": set(),
    "redis-7.0-exporter-1.45": {"redis_max_clients"},
    "redis-6.0-exporter-1.33": {"redis_max_clients", "redis_errors_total"},
    "dragonfly-replayed": {
        "redis_aof_last_bgrewrite_status",
        "redis_aof_last_write_status",
        "redis_errors_total",
        "redis_latest_fork_seconds",
        "redis_max_clients",
    },
}
QUEUE = {"bind": "0.0.0.0", "port": 6380, "password": "queue-secret", "purpose": "queue", "engine": "valkey"}
CACHE = {"bind": "10.0.0.5", "port": 6381, "password": None, "purpose": "cache", "engine": "redis", "acl": None}


def series(expression: str) -> set[str]:
    """Metrics that a PromQL expression asks for, those of Prometheus itself left out."""
    return set(re.findall(r"\bredis_[a-z0-9_]+", expression))


USED = {name for rule in RULES for name in series(rule["expr"])}
USED |= {name for panel in DASHBOARD["panels"] for target in panel["targets"] for name in series(target["expr"])}


@pytest.mark.parametrize("recorded", sorted(MISSING))
def test_rules_and_panels_ask_for_what_the_exporter_gives(recorded: str) -> None:
    given = set((ROOT / f"tests/data/metrics/{recorded}.txt").read_text().split("\n")[1:])
    assert USED - given == MISSING[recorded]


def test_the_documentation_names_what_is_missing() -> None:
    assert [name for name in set().union(*MISSING.values()) if f"`{name}`" not in DOCS] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert re.fullmatch(r"\d+m", rule["for"])
    summary, description = rule["annotations"]["summary"], rule["annotations"]["description"]
    assert "$labels.store" in summary and "$labels.host" in summary
    assert len(description) > 80
    named = set(re.findall(r"\$labels\.(\w+)", summary + description))
    assert named <= {"store", "host", "purpose"} | ({"err"} if "redis_errors_total" in rule["expr"] else set())


def test_every_rule_is_tested_and_documented() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))
    assert [name for name in names if f'alertname="{name}"' not in TESTED] == []
    assert [name for name in names if f"`{name}`" not in DOCS] == []


@pytest.mark.parametrize(("name", "file"), [("stores", "dashboard.json"), ("history", "history.json")])
def test_a_dashboard_is_what_its_script_writes(name: str, file: str) -> None:
    command = [sys.executable, f"{ROLE}/dashboard.py", name]
    written = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert written == (ROLE / "files/prometheus" / file).read_text()


def test_the_history_asks_for_what_a_scheduled_run_writes(tmp_path: Path) -> None:
    figures = {("shop-cache", metric.field): 1.0 for metric in FIGURES}
    run = Scheduled("run1", "nightly", datetime(2026, 11, 26, tzinfo=UTC), "measured", figures=figures)
    write(str(tmp_path), "nightly", [run])
    given = set(re.findall(r"^(benchfly_\w+)\{", (tmp_path / "benchfly-nightly.prom").read_text(), re.MULTILINE))
    asked = [target["expr"] for panel in HISTORY["panels"] for target in panel["targets"]]
    used = {name for expression in asked for name in re.findall(r"\bbenchfly_\w+", expression)}
    assert used <= given
    assert all('{schedule=~"$schedule"}' in expression for expression in asked)
    assert [variable["name"] for variable in HISTORY["templating"]["list"]] == ["source", "schedule"]
    assert all(panel["description"] and panel["fieldConfig"]["defaults"]["unit"] for panel in HISTORY["panels"])


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=lambda panel: panel["title"])
def test_a_panel_has_a_unit_a_description_and_the_choices(panel: dict[str, Any]) -> None:
    assert panel["fieldConfig"]["defaults"]["unit"] and len(panel["description"]) > 15
    for target in panel["targets"]:
        chosen = target["expr"].count('{host=~"$host",purpose=~"$purpose",store=~"$store"}')
        assert chosen == len(re.findall(r"\bredis_", target["expr"])) > 0
        assert "{{store}}" in target["legendFormat"]
    names = [variable["name"] for variable in DASHBOARD["templating"]["list"]]
    assert names == ["source", "host", "purpose", "store"]


def test_targets_are_on_the_hosts_own_addresses() -> None:
    six = {**QUEUE, "bind": "::", "tls_cert_file": "/etc/ssl/q.pem"}
    assert metrics.exporter_targets({"q": QUEUE, "c": CACHE, "six": six}) == {
        "q": "redis://127.0.0.1:6380",
        "c": "redis://10.0.0.5:6381",
        "six": "rediss://[::1]:6380",
    }


def test_passwords_are_the_stores_own_without_a_user_for_metrics() -> None:
    stores = {"q": QUEUE, "c": CACHE}
    assert metrics.exporter_user(stores, "metrics") == ""
    assert metrics.exporter_passwords(stores, "metrics") == {"redis://127.0.0.1:6380": "queue-secret"}


def test_a_user_for_metrics_is_used_where_every_store_has_it() -> None:
    rules = {"metrics": "on >may-look +info +slowlog", "web": "on >other ~* +@all"}
    queue, cache = {**QUEUE, "acl": rules}, {**CACHE, "acl": {"metrics": "on >may-look-too +info"}}
    assert metrics.exporter_user({"q": queue, "c": cache}, "metrics") == "metrics"
    # The exporter looks a password up with the user since 1.69, and without it before.
    assert metrics.exporter_passwords({"q": queue, "c": cache}, "metrics") == {
        "redis://127.0.0.1:6380": "may-look",
        "redis://metrics@127.0.0.1:6380": "may-look",
        "redis://10.0.0.5:6381": "may-look-too",
        "redis://metrics@10.0.0.5:6381": "may-look-too",
    }
    assert metrics.exporter_user({"q": queue, "c": CACHE}, "metrics") == ""
    assert metrics.exporter_user({"q": {**QUEUE, "acl": {"metrics": "on #" + "0" * 64}}}, "metrics") == ""
    assert metrics.exporter_user({}, "metrics") == ""


def test_prometheus_is_told_stores_by_name_and_no_password() -> None:
    (entry,) = metrics.exporter_file_sd({"q": QUEUE}, "store1", "10.0.0.5:9121")
    assert entry["targets"] == ["10.0.0.5:9121"]
    labels = {name: value for name, value in entry["labels"].items() if not name.startswith("__")}
    assert labels == {"instance": "q", "store": "q", "purpose": "queue", "engine": "valkey", "host": "store1"}
    assert entry["labels"]["__param_target"] == "redis://127.0.0.1:6380"
    assert "queue-secret" not in json.dumps(entry)
