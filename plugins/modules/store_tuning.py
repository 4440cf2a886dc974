#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Remembers, on its host, what a store was before it is tuned."""

from __future__ import annotations

DOCUMENTATION = r"""
module: store_tuning
author: The benchfly authors
version_added: 0.1.0
short_description: Remember what a store was before it is tuned
description:
  - The journal is C(tuning.json) in the folder of the store, for its owner alone to read. It is on disk before anything
    of the store is changed, and says until it is ended what to go back to, whatever becomes of the controller.
options:
  store:
    description: Name of the store.
    type: str
    required: true
  spec:
    description: Its complete specification, without secrets.
    type: dict
    required: true
  password:
    description: Its password, if it has one.
    type: str
    default: ""
  base_dir:
    description: Each store has a folder of its own name in it.
    type: path
    required: true
  controller:
    description:
      - Who asks, as P(benchfly.stores.controller#lookup) says. A store that is begun is held by its token alone, and
        what other runs left running is cut off.
    type: dict
    required: true
  state:
    description:
      - V(look) tells the journal, and what the server says of itself.
      - V(begun) writes what the store is now, unless an earlier run that was not ended has done so.
      - V(ended) notes that it is so again.
    type: str
    choices: [look, begun, ended]
    default: look
attributes:
  check_mode:
    description: Looks, and writes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Remember what the store is
  benchfly.stores.store_tuning:
    store: shop-cache
    spec: "{{ _public['shop-cache'] }}"
    base_dir: /var/lib/benchfly
    controller: "{{ lookup('benchfly.stores.controller') }}"
    state: begun
"""

RETURN = r"""
journal:
  description: The journal, or nothing; C(state), C(spec) to go back to, and Unix times C(began) and C(ended).
  returned: success
  type: dict
open:
  description: Whether the store was perhaps not what it had been, before this step.
  returned: success
  type: bool
held_by:
  description: Who is tuning the store and is not known to be dead; empty when nobody else is.
  returned: success
  type: str
server:
  description: C(mem_fragmentation_ratio), C(evicted_keys) and C(clients) of a store that answers, else nothing.
  returned: success
  type: dict
"""

import json
import os
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import (
    BenchError,
    read_json_object,
    replace_file,
)
from ansible_collections.benchfly.stores.plugins.module_utils.bench_lease import held_by
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.store import HOLDER
from ansible_collections.benchfly.stores.plugins.module_utils.store_resp import ReplyError, to_store

JOURNAL = "tuning.json"
HELD = 86400  # seconds; no batch of measurements is as long
BEGUN, ENDED = "begun", "ended"


def server(spec: dict, password: str, holder: str | None) -> dict:
    """What the store says of itself; nothing when it does not answer. `holder` has it from now on, nobody if empty."""
    try:
        with to_store(spec) as connection:
            if password:
                connection.call("AUTH", password)
            info = connection.info()
            if holder:
                connection.call("SET", HOLDER, holder, "EX", str(HELD))
            elif holder is not None:
                connection.call("DEL", HOLDER)
    except (OSError, ReplyError):
        return {}
    told = {name: info[name] for name in ("mem_fragmentation_ratio", "evicted_keys") if name in info}
    return dict(told, clients=int(info["connected_clients"]) - 1)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "store": {"type": "str", "required": True},
            "spec": {"type": "dict", "required": True},
            "password": {"type": "str", "default": "", "no_log": True},
            "base_dir": {"type": "path", "required": True},
            "controller": {"type": "dict", "required": True},
            "state": {"type": "str", "choices": ["look", BEGUN, ENDED], "default": "look"},
        },
        supports_check_mode=True,
    )
    given = module.params
    path, wanted = Path(os.path.join(given["base_dir"], given["store"], JOURNAL)), given["state"]
    try:
        journal = read_json_object(path) if path.exists() else {}
        before = dict(journal)
        begun, now = journal.get("state") == BEGUN, time.time()
        lease = dict(given["controller"], run="tune", since=now, seen=now)
        holder = held_by(journal.get("lease", {}), given["controller"]) if begun else ""
        if wanted == BEGUN:
            if not begun:
                journal = {"state": BEGUN, "store": given["store"], "spec": given["spec"], "began": now}
            if not begun or journal["lease"]["token"] != lease["token"]:
                journal["lease"] = lease
        elif wanted == ENDED and begun:
            journal = dict(journal, state=ENDED, ended=now)
        changed = journal != before
        if changed and not module.check_mode:
            replace_file(path, json.dumps(journal, indent=1).encode(), mode=0o600)
    except (BenchError, OSError) as error:
        module.fail_json(
            msg=f"the journal of {given['store']} cannot be kept: {error}. Nothing was changed by this step"
        )
    held = None if wanted == "look" or module.check_mode else lease["token"] if wanted == BEGUN else ""
    told = server(given["spec"], given["password"], held)
    module.exit_json(changed=changed, journal=journal, open=begun, held_by=holder, server=told)


if __name__ == "__main__":
    main()
