"""The evidence gate: refuses a migration whose policy no stored benchmark backs, and says which benchmark would."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from benchfly.cli.options import Options
from benchfly.cli.plan import endpoint_today
from benchfly.errors import RefusedError, ResultsError
from benchfly.fleet.model import Bench, Fleet
from benchfly.policy import Finding, Rule, Wanted, judge, stored
from benchfly.results import Run, records

VARIABLE, OVERRIDE = "frappe_bench_evidence", "frappe_bench_without_evidence"
_LOOKED = ("status", "check", "migrate")  # runs that note which stores a bench uses
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def evidence(options: Options, fleet: Fleet, benches: Sequence[Bench]) -> dict[str, dict[str, Any]]:
    """For each bench with rules about figures, the verdict as its playbook takes it, in `frappe_bench_evidence`."""
    measured = stored() if any(_rules(bench) for bench in benches) else []
    now, found = datetime.now(UTC), {}
    for bench in benches:
        wanted = [store for store in _wanted(fleet, bench) if store.at != store.today]  # else it is there already
        findings = judge(_rules(bench), wanted, measured, _classes(fleet), now)
        if _rules(bench):
            verdict = "go" if all(finding.ok for finding in findings) else "no"
            rows = [asdict(finding) for finding in findings]
            found[bench.name] = {"bench": bench.name, "verdict": verdict, "judged": now.isoformat(), "findings": rows}
    return found


def refuse(options: Options, fleet: Fleet, verdicts: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises RefusedError that names every bench without the evidence its policy asks for, and how to make it."""
    lines = []
    for name, verdict in verdicts.items():
        failed = [Finding(**row) for row in verdict["findings"] if not row["ok"]]
        if not failed or OVERRIDE in options.overrides:
            continue
        lines += [f"{name} may not move by its policy:"]
        lines += [f"  {one.rule}: {one.detail}" + (f" in {one.run}" if one.run else "") for one in failed]
        rules = [rule for rule in _rules(fleet.benches[name]) if str(rule) in {one.rule for one in failed}]
        lines += [f"  {command}" for command in _commands(options, fleet, fleet.benches[name], rules)]
    if lines:
        last = "Measure with the commands above, or say why it moves all the same with --without-evidence REASON."
        raise RefusedError("\n".join([*lines, last]))


def _rules(bench: Bench) -> list[Rule]:
    return [rule for rule in bench.policy if isinstance(rule, Rule)]


def _wanted(fleet: Fleet, bench: Bench) -> list[Wanted]:
    stores = [(purpose, fleet.stores[name]) for purpose, name in bench.chosen.items()]
    return [
        Wanted(purpose, store.name, store.spec.engine, store.endpoint, _today(fleet, bench, purpose))
        for purpose, store in stores
    ]


def _today(fleet: Fleet, bench: Bench, purpose: str) -> str:
    """host:port of the store that a bench uses: from its configuration, else as the last run saw it; else empty."""
    lead = fleet.hosts[bench.hosts[0]]
    seen = endpoint_today(bench, purpose) if lead.is_local else _seen(lead.name, purpose)
    host, _, port = (seen or "").partition("/")[0].rpartition(":")
    return f"{lead.address if host in _LOOPBACK else host}:{port}" if port else ""


def _seen(host: str, purpose: str) -> str:
    for record in records(limit=-1):
        if record.verb not in _LOOKED:
            continue
        try:
            data = (Run.open(record.id).outcome or {}).get("data", {})
        except ResultsError:
            continue
        for verb in _LOOKED:
            if entry := data.get(verb, {}).get(host):
                return str(entry["facts"]["stores"].get(f"redis_{purpose}", ""))
    return ""


def _classes(fleet: Fleet) -> Callable[[str], str]:
    """What counts as alike: hosts of one declared `host_class`, else each host by itself."""
    declared = {host.address: host.host_class for host in fleet.hosts.values() if host.host_class}

    def class_of(at: str) -> str:
        address = at.partition("/")[0].rpartition(":")[0].strip("[]")
        return declared.get(address, address)

    return class_of


def _commands(options: Options, fleet: Fleet, bench: Bench, rules: Sequence[Rule]) -> list[str]:
    """The command lines that would make the evidence, one for each store and workload."""
    stores = {store.purpose: store for store in _wanted(fleet, bench)}
    commands: dict[str, None] = {}
    for rule in rules:
        store = stores[rule.purpose]
        words = ["benchfly", "benchmark", *(word for source in options.inventory for word in ("-i", source))]
        words += ["-e", f"benchmark_workload={rule.workload}", "-e", f"benchmark_stores={store.name}"]
        today = json.dumps({"benchmark_urls": {"today": f"redis://{store.today or 'HOST:PORT'}"}})
        words += ["-e", today, "-e", "benchmark_allow_data=today"]
        clients = f"   # of the workload with clients: {rule.clients}" if rule.clients else ""
        commands[shlex.join(words) + clients] = None
    return list(commands)
