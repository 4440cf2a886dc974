"""Runs under a stand-in bench's Python: asks a store and prints the answers. Arguments: collections folder; on standard
input what Probe takes, as JSON.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

sys.path.insert(0, sys.argv[1])

from ansible_collections.benchfly.stores.plugins.module_utils.gate.need import verdict
from ansible_collections.benchfly.stores.plugins.module_utils.gate.needs import ask
from ansible_collections.benchfly.stores.plugins.module_utils.gate.probe import Probe

answers = ask(Probe(**json.load(sys.stdin)))
json.dump({"verdict": verdict(answers), "needs": [asdict(answer) for answer in answers]}, sys.stdout)
