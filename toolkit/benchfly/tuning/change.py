"""What a study proved, as a change of the inventory that a person can read, and that change made. Pure."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from benchfly.errors import RefusedError
from benchfly.tuning.proof import Kept
from benchfly.tuning.space import Settings, space

_WIDTH = 116


@dataclass(frozen=True)
class Line:
    """One key of a store: its new value, the one before, what the change does, and why it may."""

    key: str
    value: Any
    was: Any
    effect: str
    why: str

    def written(self, indent: str) -> list[str]:
        """As it stands in an inventory: what it does, what takes it back and why it may, and below that the key."""
        said = f"{self.effect}; was {shown(self.was)}, which takes it back. {self.why}."
        comment = textwrap.wrap(said, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        return [*comment, f"{indent}{self.key}: {shown(self.value)}"]


def lines(kept: Kept, spec: Settings) -> list[Line]:
    """The lines of what was kept of a store that is declared like that."""
    why = {setting.name: setting.why for setting in space()}
    found = []
    for key, value in kept.settings.items():
        told = [str(effect) for effect in kept.lines[key].effects.values() if effect.better is not None]
        found.append(Line(key, value, spec.get(key), ", ".join(told), why[key]))
    return found


def document(store: str, changed: Sequence[Line]) -> str:
    """The change by itself, as YAML to put into host_vars or group_vars."""
    body = (row for line in changed for row in line.written("    "))
    return "\n".join(["stores:", f"  {store}:", *body, ""])


def edited(text: str, store: str, line: int, changed: Sequence[Line]) -> str:
    """The text of an inventory file with the change in it, where the store's key stands in that line (from 1).

    Everything else stays as it is, comments too. Raises RefusedError where the store is not written as a block.
    """
    node = next(_blocks(yaml.compose(text), store, line), None)
    if node is None or node.flow_style or not node.value:
        raise RefusedError(f"{store} is not written as a block of keys there")
    rows = text.splitlines(keepends=True)
    indent = " " * node.start_mark.column
    places = {key.value: (key.start_mark.line, value.end_mark) for key, value in node.value}
    last = min(max(_end(value) for _, value in node.value), len(rows) - 1)
    while not rows[last].strip() or rows[last].lstrip().startswith("#"):  # a text of several lines ends where the next
        last -= 1  # thing begins
    inserted: dict[int, list[str]] = {}
    for each in changed:
        if each.key in places:
            at, end = places[each.key]
            if end.line != at:
                raise RefusedError(f"{store}.{each.key} is written in several lines there")
            rows[at] = "\n".join(each.written(indent)) + (rows[at][end.column :].rstrip("\n") + "\n")
        else:
            inserted.setdefault(last, []).extend(f"{row}\n" for row in each.written(indent))
    for at, texts in inserted.items():
        rows[at] = rows[at].rstrip("\n") + "\n" + "".join(texts)
    return "".join(rows)


def diff(before: str, after: str, name: str) -> str:
    """What changes in a file, as people read it."""
    rows = difflib.unified_diff(before.splitlines(True), after.splitlines(True), f"{name} before", f"{name} after", n=2)
    return "".join(rows)


def _blocks(node: Any, store: str, line: int) -> Iterator[Any]:
    """The value of that key in that line, wherever in the document."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = isinstance(key, yaml.ScalarNode) and key.value == store and key.start_mark.line == line - 1
            if here and isinstance(value, yaml.MappingNode):
                yield value
            yield from _blocks(value, store, line)
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _blocks(each, store, line)


def _end(node: Any) -> int:
    """The last line of a value; a block ends where the next token begins, so its last leaf counts."""
    if isinstance(node, yaml.MappingNode | yaml.SequenceNode) and node.value and not node.flow_style:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    ended: int = node.end_mark.line - (1 if node.end_mark.column == 0 else 0)
    return ended


def shown(value: Any) -> str:
    """A value as an inventory says it."""
    return yaml.safe_dump(value, default_flow_style=True).split("\n")[0] if not isinstance(value, str) else repr(value)


def of(data: Sequence[Mapping[str, Any]]) -> list[Line]:
    """Lines of what the playbook handed over."""
    return [Line(**each) for each in data]
