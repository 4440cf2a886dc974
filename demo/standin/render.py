"""Runs under the bench environment's Python: fills a new bench folder as `bench init` and `bench setup supervisor` do,
by frappe-bench's own functions. Argument: the folder. Standard input: what common_site_config.json is to say, as JSON.
"""

from __future__ import annotations

import json
import sys

from bench.bench import Bench
from bench.config.common_site_config import setup_config
from bench.config.procfile import setup_procfile
from bench.config.redis import generate_config
from bench.config.supervisor import generate_supervisor_config

path = sys.argv[1]
Bench(path).setup.dirs()
setup_config(path, additional_config=json.load(sys.stdin))
generate_config(path)
setup_procfile(path, yes=True)
generate_supervisor_config(path, yes=True)
