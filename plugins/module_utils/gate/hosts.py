"""What speaks against moving a bench when its hosts are held side by side. Pure; runs on the controller."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.benchfly.stores.plugins.module_utils.gate.bench import Finding
from ansible_collections.benchfly.stores.plugins.module_utils.gate.verdicts import NO, NOTE

# What every host of a bench has to have alike: fact, whether a move is refused otherwise, and what to do.
ALIKE = (
    ("bench_id", NO, "their queues have other names; pin one bench_id in common_site_config.json on every host"),
    ("frappe", NOTE, "deploy the same version to every host before you move the bench"),
    ("rq", NOTE, "jobs of one version may not be read by another; deploy the same to every host"),
    ("sites", NOTE, "see that every host has every site"),
)
# Looked for across hosts, for docs/gate.md.
CHECKS = (
    ("hosts of the bench that were not looked at", NO, "a bench moves as one"),
    ("hosts whose URLs lead to other servers", NO, "only one of them would be swept"),
    ("a store of today out of reach of a host", NO, "its jobs could not be moved"),
    *((f"hosts with another {name}", verdict, why.partition(";")[0]) for name, verdict, why in ALIKE),
    ("clients of the queue store from other addresses", NOTE, "a host that the inventory forgets would stay"),
    ("cache and queue on one port number", NOTE, "bench migrate-env flushes localhost at the cache's port"),
)


def findings(hosts: Mapping[str, Mapping[str, Any] | None], urls: Mapping[str, str]) -> list[Finding]:
    """Across the hosts of one bench.

    hosts: inventory name -> what bench_facts and bench_check found there, None for a host that was not looked at.
    urls: purpose -> URL of the store that the bench is to use.
    """
    seen = {name: facts for name, facts in hosts.items() if facts is not None}
    found = [
        Finding(NO, f"{name} was not looked at, and a bench moves as one; run it for all hosts of the bench")
        for name in hosts
        if name not in seen
    ]
    for name, verdict, remedy in ALIKE:
        values = {host: _value(facts, name) for host, facts in seen.items()}
        if len(set(values.values())) > 1:
            found.append(Finding(verdict, f"hosts disagree on {name}: {_listed(values)}; {remedy}"))
    return [*found, *_servers(seen), *_strangers(seen), *_ports(urls)]


def _value(facts: Mapping[str, Any], name: str) -> str:
    if name == "rq":
        return str(facts["libraries"]["rq"])
    value = facts[name]
    return ", ".join(value) if isinstance(value, list) else str(value)


def _listed(values: Mapping[str, str]) -> str:
    return ", ".join(f"{host} has {value or 'none'}" for host, value in values.items())


def _servers(seen: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    if any((facts["move"] or {}).get("state") == "open" for facts in seen.values()):
        return  # cut short between two hosts, where running the move again helps
    for key in ("redis_cache", "redis_queue"):
        ids = {host: facts["servers"].get(key, "") for host, facts in seen.items() if key in facts["stores"]}
        for host in (host for host, server in ids.items() if not server):
            where = seen[host]["stores"][key]
            yield Finding(NO, f"{host} does not reach {key} at {where}, which the bench uses today; see that it runs")
        if len({server for server in ids.values() if server}) > 1:
            urls = {host: seen[host]["stores"][key] for host in ids}
            yield Finding(
                NO, f"hosts use different servers as {key}: {_listed(urls)}; set the same on every host and restart it"
            )


def _strangers(seen: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    own = {address for facts in seen.values() for address in facts["addresses"]}
    for address in sorted({address for facts in seen.values() for address in facts["callers"]} - own):
        yield Finding(
            NOTE,
            f"{address} is connected to the bench's queue store and is no host of the bench; if it belongs to this "
            "bench, add it to the inventory, or it stays on the former store",
        )


def _ports(urls: Mapping[str, str]) -> Iterator[Finding]:
    ports = {purpose: urlsplit(url).port or 6379 for purpose, url in urls.items() if not url.startswith("unix:")}
    if len(ports) > 1 and len(set(ports.values())) == 1:
        yield Finding(
            NOTE,
            f"cache and queue both have port {ports['queue']}: `bench migrate-env` flushes whatever answers at "
            "localhost on the cache's port, on the queue's host all jobs; give one of them another port",
        )
