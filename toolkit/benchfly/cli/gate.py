"""What `check` found, bench by bench: one table for each store, then what speaks against a move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from benchfly.playbook.outcome import Outcome
from benchfly.results import Run

Entry = Mapping[str, Any]
# A verdict as people read it, and how it looks.
_WORDS = {
    "ok": ("ok", "green"),
    "note": ("note", "cyan"),
    "setting": ("needs a setting", "yellow"),
    "no": ("no", "bold red"),
    "go": ("go", "bold green"),
    "settings": ("go with other settings", "bold yellow"),
}


def check(run: Run, outcome: Outcome) -> RenderableType:
    """The gate of each bench."""
    hosts: Mapping[str, Entry] = outcome.data.get("check", {})
    names = dict.fromkeys(entry["bench"] for entry in hosts.values())
    benches = ({host: entry for host, entry in hosts.items() if entry["bench"] == name} for name in names)
    return Group(*(part for name, of in zip(names, benches, strict=True) for part in _bench(name, of)))


def _bench(name: str, hosts: Mapping[str, Entry]) -> Iterator[RenderableType]:
    gates: dict[tuple[str, str], dict[str, Entry]] = {}
    for host, entry in hosts.items():
        for gate in entry["gates"]:
            gates.setdefault((gate["purpose"], gate["store"]), {})[host] = gate
    for (purpose, store), of in gates.items():
        one = next(iter(of.values()))
        server = f"{one['engine']} {one['version']}".strip() or "no answer"
        verdict = max((gate["verdict"] for gate in of.values()), key=("go", "settings", "no").index)
        heading = f"{name}: {purpose} store {store} ({server}) for Frappe {one['frappe'] or '?'}: "
        yield Text.assemble(heading, _word(verdict))
        yield Padding(_answers(of), (0, 0, 1, 2))
    yield from _listed("Has to be mended before a move:", hosts, "reasons")
    yield from _listed("Worth knowing:", hosts, "warnings")
    may = all(entry["verdict"] == "go" for entry in hosts.values())
    yield Text.assemble(f"{name} ", ("may move", "bold green") if may else ("may not move", "bold red"), ".\n")


def _answers(gates: Mapping[str, Entry]) -> Table:
    """Need, answer and verdict; a host is named where hosts were told different things."""
    told: dict[tuple[str, str, str, str, str], list[str]] = {}
    for host, gate in gates.items():
        for need in gate["needs"]:
            told.setdefault(tuple(need[key] for key in ("verdict", "need", "answer", "remedy", "used_by")), []).append(
                host
            )
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("Verdict", "Need", "Answer", "Used by"):
        table.add_column(column, overflow="fold")
    for (verdict, need, answer, remedy, used_by), hosts in told.items():
        where = "" if len(hosts) == len(gates) else f"{', '.join(hosts)}: "
        remedied = f"{where}{answer.rstrip('.')}. {remedy[:1].upper()}{remedy[1:]}." if remedy else where + answer
        table.add_row(_word(verdict), Text(need), Text(remedied), Text(used_by, "dim"))
    return table


def _listed(heading: str, hosts: Mapping[str, Entry], key: str) -> Iterator[RenderableType]:
    """Lines of all hosts, each once; those of the stores' tables are left out."""
    said: dict[str, list[str]] = {}
    for host, entry in hosts.items():
        of_stores = {line for gate in entry["gates"] for line in gate[key]}
        for line in entry[key]:
            if line not in of_stores:
                said.setdefault(line, []).append(host)
    if said:
        yield Text(heading, "bold")
        for line, where in said.items():
            yield Padding(Text(f"- {_where(where, hosts)}{line}"), (0, 0, 0, 2))


def _where(said: Sequence[str], hosts: Mapping[str, Entry]) -> str:
    return "" if len(said) == len(hosts) else f"{', '.join(said)}: "


def _word(verdict: str) -> Text:
    return Text(*_WORDS.get(verdict, (verdict, "")))
