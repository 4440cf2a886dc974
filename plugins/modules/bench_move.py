#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Opens and closes a bench's move between stores in the journal on its host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bench_move
short_description: Open or close a bench's move between stores
version_added: 0.1.0
description:
  - Keeps the journal of a bench's moves on its host. It remembers the former store URLs, so that the way back is known
    whatever happens to the controller.
  - I(state=open) with store URLs begins a migration or resumes the one in progress; without URLs it begins or resumes
    the way back to where the last migration came from.
author: The benchfly authors
options:
  state:
    description:
      - Whether a move is to be in progress; C(dropped) forgets one that has not switched anything yet, here and, by
        I(droppable), on the bench's other hosts.
    type: str
    choices: [open, done, dropped]
    default: open
  verb:
    description: What opens the move; C(rollback) takes the last one back.
    type: str
    choices: [migrate, rollback]
    default: migrate
  move_id:
    description: Identifier of a new move.
    type: str
    default: ''
  only_unfinished:
    description: Take back only a move that is in progress; without one there is nothing to do.
    type: bool
    default: false
  controller:
    description: The run that moves the bench, as the lookup P(benchfly.stores.controller#lookup) names it. It is given
      the bench's lease.
    type: dict
    default: {}
  replaces:
    description: Token of the lease that this one takes the place of.
    type: str
    default: ''
  overrides:
    description: Rules that this move was let off, each with the reason that was given; kept in the journal.
    type: dict
    default: {}
  droppable:
    description: Whether no other host of the bench has switched anything yet.
    type: bool
    default: true
  elsewhere:
    description:
      - The last moves of the bench's other hosts, as M(benchfly.stores.bench_facts) returns them. One in progress there
        is resumed or taken back here too, wherever its controller was killed.
    type: list
    elements: dict
    default: []
  urls:
    description: URL of the new store by purpose, C(cache) and C(queue); a purpose that is absent stays where it is.
    type: dict
    default: {}
extends_documentation_fragment:
  - benchfly.stores.bench
attributes:
  check_mode:
    description: Says whether a move would be opened, and changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Begin or resume
  benchfly.stores.bench_move:
    path: /home/frappe/frappe-bench
    state_dir: /home/frappe/frappe-bench/config/benchfly
    move_id: 20261123-061205
    urls:
      queue: redis://cache1:11000
"""

RETURN = r"""
needed:
  description: Whether there is anything to move, or a move in progress.
  returned: success
  type: bool
resumed:
  description: Whether the move was in progress already.
  returned: state is open
  type: bool
consumers:
  description: The processes of the host that the move had stopped or was to stop.
  returned: state is dropped
  type: list
  elements: str
move:
  description: The move, without passwords.
  returned: when there is one
  type: dict
"""

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import (
    PURPOSE_KEYS,
    SOCKETIO_KEY,
    Bench,
    BenchError,
    redact,
    same_store,
)
from ansible_collections.benchfly.stores.plugins.module_utils.bench_journal import Journal, locked, redacted
from ansible_collections.benchfly.stores.plugins.module_utils.bench_module import BENCH

KEYS = (*PURPOSE_KEYS.values(), SOCKETIO_KEY)


def destination(urls_today: dict[str, str], urls: dict[str, str]) -> dict[str, str]:
    """The redis_* keys after a move to these stores, all of them, changed or not.

    redis_socketio follows the store that it shares today: bench keeps it equal to redis_cache, others to redis_queue.
    """
    target = dict(urls_today)
    socketio = urls_today.get(SOCKETIO_KEY)
    for purpose, url in urls.items():
        key = PURPOSE_KEYS[purpose]
        if key not in target:
            raise BenchError(f"common_site_config.json has no {key}; set it to the store that the bench uses today")
        if socketio and same_store(socketio, urls_today[key]):
            target[SOCKETIO_KEY] = url
        target[key] = url
    return target


def plan(journal: Journal, current: dict[str, str], verb: str, urls: dict[str, str]) -> tuple[dict, dict]:
    """Where the move comes from and where it goes, as redis_* keys. Raises BenchError when that cannot be known."""
    last = journal.last
    in_progress = journal.in_progress
    if verb == "rollback":
        target = journal.way_back()
        if not in_progress and any(not same_store(current.get(key, url), url) for key, url in last["to"].items()):
            raise BenchError(
                "the configuration no longer names the stores that the last migration went to, so somebody moved the "
                "bench by hand since. Put those URLs back, or migrate to the stores you want"
            )
        return current, target
    # After the switch the configuration names the new stores already: the journal knows the former ones.
    source = journal.open["from"] if in_progress else current
    return source, destination(source, urls)


def addresses(urls: dict[str, str]) -> str:
    """One side of the diff: the stores that a configuration names, without passwords."""
    return "".join(f"{key}: {redact(urls[key])}\n" for key in KEYS if key in urls)


def open_move(module: AnsibleModule, journal: Journal, config: dict[str, Any]) -> dict[str, Any]:
    current = {key: config[key] for key in KEYS if config.get(key)}
    others = [move for move in module.params["elsewhere"] if move.get("state") == "open"]
    if others:
        journal.join(module.params["verb"], others[0], current)
    in_progress = journal.in_progress
    not_needed = {"changed": False, "needed": False, "resumed": False}
    if module.params["only_unfinished"] and not in_progress:
        return not_needed
    source, target = plan(journal, current, module.params["verb"], module.params["urls"])
    if not in_progress and current == target:
        return not_needed
    diff = {"before": addresses(current), "after": addresses(target)}
    if module.check_mode:
        return {"changed": not in_progress, "needed": True, "resumed": in_progress, "diff": diff}
    move_id = module.params["move_id"] or time.strftime("%Y%m%d-%H%M%S")
    if module.params["controller"]:
        journal.take(module.params["controller"], move_id, module.params["replaces"])
    opened = journal.begin(move_id, module.params["verb"], source, target)
    if module.params["overrides"]:
        journal.open.setdefault("overrides", {}).update(module.params["overrides"])
    journal.save()
    return {
        "changed": opened,
        "needed": True,
        "resumed": not opened,
        "move": redacted(journal.open),
        "diff": diff,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **BENCH,
            "state": {"type": "str", "choices": ["open", "done", "dropped"], "default": "open"},
            "verb": {"type": "str", "choices": ["migrate", "rollback"], "default": "migrate"},
            "move_id": {"type": "str", "default": ""},
            "only_unfinished": {"type": "bool", "default": False},
            "controller": {"type": "dict", "default": {}},
            "replaces": {"type": "str", "default": "", "no_log": False},
            "overrides": {"type": "dict", "default": {}},
            "elsewhere": {"type": "list", "elements": "dict", "default": []},
            "droppable": {"type": "bool", "default": True},
            "urls": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    unknown = sorted(set(module.params["urls"]) - set(PURPOSE_KEYS))
    if unknown:
        module.fail_json(msg=f"urls: {', '.join(unknown)} is no purpose; known are {', '.join(PURPOSE_KEYS)}")
    folder = Path(module.params["state_dir"])
    try:
        bench = Bench(Path(module.params["path"]))
        config = bench.config()
        if module.check_mode:
            outcome = open_move(module, Journal(folder), config) if module.params["state"] == "open" else {}
        else:
            with locked(folder):
                journal = Journal(folder)
                if module.params["state"] == "open":
                    outcome = open_move(module, journal, config)
                elif module.params["state"] == "dropped":
                    consumers = journal.last["consumers"] if journal.last else []
                    outcome = {"changed": module.params["droppable"] and journal.drop(), "consumers": consumers}
                else:
                    outcome = {"changed": journal.finish(), "move": redacted(journal.last) if journal.last else {}}
    except (BenchError, OSError) as error:
        module.fail_json(msg=f"{module.params['path']}: {error}")
    module.exit_json(**{"changed": False, "needed": False, **outcome})


if __name__ == "__main__":
    main()
