"""Every need, in the order in which they are asked."""

from __future__ import annotations

from ansible_collections.benchfly.stores.plugins.module_utils.gate import access, cache, queue, realtime, server
from ansible_collections.benchfly.stores.plugins.module_utils.gate.need import Answer
from ansible_collections.benchfly.stores.plugins.module_utils.gate.probe import Probe
from ansible_collections.benchfly.stores.plugins.module_utils.gate.verdicts import MET

NEEDS = (*server.NEEDS, *cache.NEEDS, *queue.NEEDS, *access.NEEDS, *realtime.NEEDS)


def ask(probe: Probe) -> list[Answer]:
    """What the server answers to everything that the bench needs of it; it has nothing of the probe's afterwards."""
    found: list[Answer] = []
    with probe:
        for need in NEEDS:
            if need.asked(probe):
                found.append(need.answered(probe))
                if need is server.answers and found[-1].verdict != MET:
                    break
    return found
