#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Counts what MariaDB is asked for each request to a site, by the state of the site's cache."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bench_db_load
short_description: Count what MariaDB is asked for each request to a site
version_added: 0.1.0
description:
  - Plays GET requests one after the other against a web process of its own, which is the bench's gunicorn and Frappe
    with one worker on a private socket, and reads MariaDB's C(Questions) and C(Com_select) before and after each.
    What its own session asks is left out.
  - One call is one round, in which each store is measured in each state once, in an order drawn by lot.
  - The counters are those of the whole server. What others send to it is therefore measured before each pass, and a
    pass of which that would be more than I(noise) is spoilt, as is one with an answer of 400 or above.
  - User, password and address of the database are those of the site's configuration.
requirements:
  - PyMySQL or mysqlclient, and redis-py, as in the bench's own environment
author: The benchfly authors
options:
  path:
    description: The bench folder.
    type: path
    required: true
  site:
    description: The site; when empty C(default_site) of the configuration, or the only one.
    type: str
    default: ''
  paths:
    description: What is requested, in this order; 100 at most.
    type: list
    elements: str
    required: true
  states:
    description:
      - C(warm) has the requests played before. C(cold) then removes what the site cached in the store, as Frappe's
        C(clear_cache) does, but for what SQL does not have yet; the site's users feel it where that is the bench's own
        store. For C(none) the web process is told a cache that cannot be reached, which Frappe takes from v15 on.
    type: list
    elements: str
    choices: [warm, cold, none]
    required: true
  stores:
    description:
      - URLs by name; when empty the bench's own cache is measured. Another is told to the web process alone, from v15
        on, must hold no key of the site, and holds none afterwards.
    type: dict
    default: {}
  authorization:
    description: The header C(Authorization), such as C(token KEY:SECRET) of a user; when empty requests are a guest's.
    type: str
    default: ''
  quiet:
    description: For how many seconds before each pass it is measured what others ask.
    type: float
    default: 1
  noise:
    description: The share of a pass that others' statements may be.
    type: float
    default: 0.02
  round:
    description: Number of the round, given back.
    type: int
    default: 1
attributes:
  check_mode:
    description: Refuses what it would refuse, and plays nothing.
    support: full
"""

EXAMPLES = r"""
- name: Count statements with a warm and with a cold cache
  benchfly.stores.bench_db_load:
    path: /home/frappe/frappe-bench
    site: erp.example.com
    paths: [/api/method/ping, /login]
    states: [warm, cold]
  vars:
    ansible_python_interpreter: /home/frappe/frappe-bench/env/bin/python
"""

RETURN = r"""
site:
  description: The site that was measured.
  returned: success
  type: str
database:
  description: Version of MariaDB.
  returned: success
  type: str
caches:
  description: The stores in the order given, each with C(name), C(engine) and C(version).
  returned: success
  type: list
  elements: dict
passes:
  description:
    - In their order, each with C(round), C(cache) (name of the store), C(state), its C(requests) (C(path), C(status),
      C(questions), C(selects)), the C(seconds) that these took, how many statements a second others sent before
      (C(others)), and why it is C(spoilt), or nothing.
  returned: success
  type: list
  elements: dict
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.bench_database import Database
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import Bench, BenchError
from ansible_collections.benchfly.stores.plugins.module_utils.bench_module import NO_REDIS
from ansible_collections.benchfly.stores.plugins.module_utils.db_load import COLD, STATES, Round, Site
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import HAS_REDIS, StoreError, redis, server


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "site": {"type": "str", "default": ""},
            "paths": {"type": "list", "elements": "str", "required": True},
            "states": {"type": "list", "elements": "str", "choices": list(STATES), "required": True},
            "stores": {"type": "dict", "default": {}, "no_log": True},
            "authorization": {"type": "str", "default": "", "no_log": True},
            "quiet": {"type": "float", "default": 1},
            "noise": {"type": "float", "default": 0.02},
            "round": {"type": "int", "default": 1},
        },
        supports_check_mode=True,
    )
    if not HAS_REDIS:
        module.fail_json(msg=NO_REDIS)
    given, bench = module.params, Bench(Path(module.params["path"]))
    try:
        site = Site.find(bench, given["site"])
        with Database(site.name, site.config) as database:
            played = Round(site, database, given)
            told = {
                "site": site.name,
                "database": database.version,
                "caches": [{"name": cache.name, **server(cache.client)} for cache in played.caches],
                "passes": [] if module.check_mode else played.passes(),
            }
    except (BenchError, StoreError, OSError, redis.exceptions.RedisError) as error:
        module.fail_json(msg=f"{bench.path}: {error}")
    module.exit_json(changed=COLD in given["states"], **told)


if __name__ == "__main__":
    main()
