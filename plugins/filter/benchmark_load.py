"""What the hosts that make load tell of a trial, put together and judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import judge, trial
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.capacity import Objective
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generator import Output, OutputError
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.generators import GENERATORS

FIRST_RATE = 1000.0  # operations per second, where neither the workload nor the run says where a search begins
Results = Mapping[str, Mapping[str, Any]]


def benchmark_merge(
    results: Results,
    generator: str,
    windows: int = 1,
    rate: float = 0.0,
    objective: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One trial and its output, of what benchmark_trial returned on each host, and whether an objective held."""
    outputs: dict[str, Output] = {}
    invalid: list[str] = []
    answered = {host: result for host, result in results.items() if "trial" in result}
    if not answered:
        raise AnsibleFilterError("no host that makes load has an answer; see its error above")
    for host, result in results.items():
        if host not in answered:
            invalid.append(f"{host} has no result: {result.get('msg', 'it was not asked')}")
            continue
        invalid += [reason if len(results) == 1 else f"{host}: {reason}" for reason in result["trial"]["invalid"]]
        processes = max(1, len(result["outputs"]) // int(windows))
        for number, output in enumerate(result["outputs"]):
            name = trial.name_of(host, number % processes + 1, number // processes + 1)
            outputs[name] = Output(tuple(output["command_lines"]), output["files"])
    first = next(iter(answered.values()))["trial"]
    merged = {
        **{key: first[key] for key in ("round", "store", "started")},
        "cpu": [result["trial"]["cpu"] for result in answered.values()],
        "store_cpu": first.get("store_cpu"),
        **dict.fromkeys(("measurement", "details", "held")),
        "series": [],
        "stalls": [],
        "windows": [],
        "invalid": invalid,
    }
    try:
        whole, each = trial.measure(GENERATORS[generator], outputs)
        merged.update(measurement=asdict(whole.measurement), series=list(whole.series), details=dict(whole.details))
        merged["stalls"] = trial.stalls(whole.series)
        merged["windows"] = [{**asdict(one.measurement), "histogram": ""} for one in each] if len(each) > 1 else []
        merged["held"] = Objective(**objective).held(merged["measurement"], float(rate)) if objective else None
    except OutputError as error:
        merged["invalid"] = invalid or [str(error)]
    return {"trial": merged, "output": asdict(trial.together(outputs))}


def benchmark_samples(
    generators: Mapping[str, Any], stores: Sequence[Mapping[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """What benchmark_sample returned, by each host that makes load, and in a loop over the other hosts of stores."""
    watched = [(host, "generator", result) for host, result in generators.items()]
    watched += [(result["item"], "store", result) for result in stores or []]
    return [
        {
            "host": host,
            "role": "store" if name else role,
            "store": name,
            "overhead_cpu": result["overhead_cpu"],
            "rows": rows,
        }
        for host, role, result in watched
        for name, rows in result.get("rows", {}).items()
        if name or role == "generator"
    ]


def benchmark_environments(
    described: Mapping[str, Any], stores: Sequence[Mapping[str, Any]], generator: Mapping[str, str]
) -> dict[str, Any]:
    """Host -> its environment: `described` by each host that makes load, `stores` in a loop over their hosts."""
    found = {result["item"]: result["environment"] for result in stores if "environment" in result}
    for host, result in described.items():
        environment = result["environment"]
        versions = {**environment["versions"], generator["name"]: generator["version"]}
        found[host] = {**environment, "versions": versions}
    return found


def benchmark_judge(
    trials: Sequence[Mapping[str, Any]],
    samples: Sequence[Mapping[str, Any]],
    rules: Sequence[str],
    environments: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """The trials, with what the samples say against them. Two names may be of one host, as its boot_id tells."""
    judged = []
    types = {host: str(environment.get("instance_type", "")) for host, environment in environments.items()}
    for each in trials:
        own = [sample for sample in samples if sample["role"] == "generator" or sample["store"] == each["store"]]
        boots: dict[str, set[str]] = {"generator": set(), "store": set()}
        for sample in own:
            boots[sample["role"]].add(environments.get(sample["host"], {}).get("boot_id", ""))
        apart = bool(boots["store"]) and not boots["store"] & boots["generator"] and "" not in boots["store"]
        against = judge.objections(each, own, rules, apart, types)
        judged.append({**each, "invalid": [*each["invalid"], *against]})
    return judged


def benchmark_workload(workload: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The workload, with the numbers given for this run in place of its own."""
    changed = dict(workload)
    for key, nothing in (("rounds", 0), ("seconds", 0.0), ("warm_up", -1.0)):
        number = float(given[key])
        if number != nothing:
            changed[key] = int(number) if key == "rounds" else number
    if clients := _listed(given["clients"], int):
        changed["clients"] = clients
    if given.get("objective"):
        changed.update(loop="open", objective=given["objective"], rate=changed.get("rate", FIRST_RATE))
    if rates := _listed(given["rates"], float):
        changed.update(loop="open", rate=rates)
    return changed


def _listed(given: Any, kind: Callable[[Any], Any]) -> list[Any]:
    words = given.split(",") if isinstance(given, str) else given if isinstance(given, list) else [given]
    return [kind(word) for word in words if word not in ("", 0)]


def benchmark_servers(filled: Sequence[Mapping[str, Any]], hosts: Mapping[str, str]) -> list[dict[str, Any]]:
    """The stores, with their hosts, of what benchmark_dataset returned in a loop."""
    return [{**result["server"], "host": hosts.get(result["item"], "")} for result in filled]


def benchmark_store_hosts(
    names: Sequence[str], groups: Mapping[str, Any], hostvars: Mapping[str, Any]
) -> dict[str, str]:
    """Names of stores -> the hosts that carry them, of those that the inventory knows."""
    hosts = {name: host for host in groups.get("stores", []) for name in hostvars[host].get("stores") or {}}
    return {name: hosts[name] for name in names if name in hosts}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {
            "benchmark_environments": benchmark_environments,
            "benchmark_judge": benchmark_judge,
            "benchmark_merge": benchmark_merge,
            "benchmark_samples": benchmark_samples,
            "benchmark_servers": benchmark_servers,
            "benchmark_store_hosts": benchmark_store_hosts,
            "benchmark_workload": benchmark_workload,
        }
