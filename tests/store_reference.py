"""docs/stores.md, made of the keys of a specification and of what the translations make of the cases in tests/unit.

python -m tests.store_reference    writes it anew
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils import (
    store_capacity,
    store_dragonfly,
    store_redis,
    store_unit,
)
from ansible_collections.benchfly.stores.plugins.module_utils.store_keys import KEYS, PURPOSES, Key
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import SpecError, StoreSpec, parse
from ansible_collections.benchfly.stores.plugins.module_utils.store_values import Choice
from tests.unit.store_cases import CASES, ELSEWHERE, VERSIONS, Case, lines

PAGE = Path(__file__).parents[1] / "docs/stores.md"
TEMPLATE = Path(__file__).with_name("store_reference.md")
NAMES = {"redis": "Redis", "valkey": "Valkey", "dragonfly": "Dragonfly"}
# Redis and Valkey take the same lines but for a few, which say whose they are.
COLUMNS = {"Redis, Valkey": ("redis", "valkey"), "Dragonfly": ("dragonfly",)}


def page() -> str:
    """The whole page."""
    return Template(TEMPLATE.read_text()).substitute(
        keys=table(("key", "values", "cache", "queue", "meaning"), map(key_row, KEYS)),
        translations="\n\n".join(section(key) for key in KEYS if key.name not in ELSEWHERE),
        always=table(("engine", "cache", "queue"), map(always_row, COLUMNS)),
        redis=store_redis.MINIMUM["redis"],
        valkey=store_redis.MINIMUM["valkey"],
        dragonfly_cache=store_dragonfly.MINIMUM["cache"],
        dragonfly_queue=store_dragonfly.MINIMUM["queue"],
        flags=table(("first release", "flags"), flag_rows()),
        rss=f"{store_capacity.RSS_RATIO:g}",
        fork=f"{store_capacity.COPY_ON_WRITE_RATIO:g}",
        usable=f"{store_capacity.USABLE_RATIO:.0%}",
        aof=store_capacity.DISK_RATIO["aof"],
        snapshot=store_capacity.DISK_RATIO["snapshot"],
        files=store_capacity.open_files(parse_of("redis", "cache", threads=1, max_clients=1)) - 9,
        versions=", ".join(f"{NAMES[engine]} {version}" for engine, version in VERSIONS.items()),
    )


def key_row(key: Key) -> tuple[str, ...]:
    secret = " Never shown." if key.secret else ""
    defaults = ("required",) * 2 if key.required else tuple(default_of(key, purpose) for purpose in PURPOSES)
    values = ", ".join(map(code, key.type.values)) if isinstance(key.type, Choice) else key.type.text
    return (f"`{key.name}`", values, *defaults, key.meaning + "." + secret)


def default_of(key: Key, purpose: str) -> str:
    """The default on Redis and Valkey, and on Dragonfly where it is another."""
    others, dragonfly = (shown(getattr(parse_of(engine, purpose), key.name)) for engine in ("redis", "dragonfly"))
    return others if others == dragonfly else f"{others}; on Dragonfly {dragonfly}"


def section(key: Key) -> str:
    """What the values of a key become."""
    rows = [
        (value_of(case), *(cell(case, engines) for engines in COLUMNS.values()))
        for case in CASES
        if case.key == key.name
    ]
    return f"### {key.name}\n\n{table(('value', *COLUMNS), rows)}"


def value_of(case: Case) -> str:
    others = [f"`{name}: {value}`" for name, value in case.others.items() if value is not None]
    return shown(case.value) + (f" with {', '.join(others)}" if others else "")


def cell(case: Case, engines: Sequence[str]) -> str:
    """The lines that the value decides, or why there are none."""
    try:
        return together({engine: decided(case, engine) for engine in engines})
    except SpecError as error:
        reasons = (f"**refused**: {problem.reason}. {problem.remedy}." for problem in error.problems)
        return " ".join(reasons).replace("|", "\\|")


def together(by_engine: Mapping[str, Sequence[str]]) -> str:
    """Lines of several engines, with the engine at those that are not of all."""
    cells = []
    for line in dict.fromkeys(line for own in by_engine.values() for line in own):
        whose = [f"{NAMES[engine]} {VERSIONS[engine]}" for engine, own in by_engine.items() if line in own]
        cells.append(code(line) + (f" ({', '.join(whose)})" if len(whose) < len(by_engine) else ""))
    return "<br>".join(cells)


def decided(case: Case, engine: str) -> list[str]:
    """The lines that the value decides. Raises SpecError when the engine refuses it."""
    becomes = written(case.spec(engine))
    names = {name_of(line) for line in case.expected(engine) or ()} | changed(case, engine)
    return [line for line in becomes if name_of(line) in names]


def changed(case: Case, engine: str) -> set[str]:
    """Names of the lines that are others without the key."""
    try:
        without = written(parse_of(engine, **dict[str, Any](case.others)))
    except SpecError:
        return set()
    return {name_of(line) for line in set(written(case.spec(engine))) ^ set(without)}


def always_row(column: str) -> tuple[str, ...]:
    """Lines of a store with defaults that no key decides."""
    return (
        column,
        *(together({engine: always(engine, purpose) for engine in COLUMNS[column]}) for purpose in PURPOSES),
    )


def always(engine: str, purpose: str) -> list[str]:
    taken = [case for case in CASES if case.expected(engine) is not None]
    names = {name_of(line) for case in taken for line in decided(case, engine)}
    return [line for line in lines(parse_of(engine, purpose)) if name_of(line) not in names and line[0] != "#"]


def flag_rows() -> Iterator[tuple[str, str]]:
    releases = sorted(
        set(store_dragonfly.FLAGS.values()), key=lambda release: [int(part) for part in release.split(".")]
    )
    for release in releases:
        flags = (code(flag) for flag, first in store_dragonfly.FLAGS.items() if first == release)
        yield ("1.12 or older" if release == "1.12" else release, ", ".join(flags))


def written(spec: StoreSpec) -> list[str]:
    """All that is written for a store, the unit of systemd too."""
    files = {"base_dir": "/var/lib/benchfly", "config": "", "environment": ""}
    unit = store_unit.unit(
        spec.name, spec.mapping, "server", files, "benchfly", 600, store_capacity.open_files(spec)
    ).splitlines()
    own = (line for line in lines(spec) if not line.startswith("#"))
    return [*own, *(line for line in unit if line.startswith(("CPUAffinity=", "LimitNOFILE=")))]


def parse_of(engine: str, purpose: str = "cache", **given: object) -> StoreSpec:
    return parse("shop", {"engine": engine, "purpose": purpose, "port": 6379, "memory": "512mb", **given})


def name_of(line: str) -> str:
    return re.split(r"[ =]", line, maxsplit=1)[0]


def shown(value: object) -> str:
    if value is None:
        return "none given"
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, Mapping):
        return code(", ".join(f"{name}: {rules}" for name, rules in value.items()))
    return code(str(value))


def code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    drawn = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(drawn)


if __name__ == "__main__":
    PAGE.write_text(page())
