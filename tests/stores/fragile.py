"""A client that dies between two commands, as a process does that is killed."""

from __future__ import annotations

import redis


class KilledError(Exception):
    """Stands for a SIGKILL between two commands."""


class Fragile:
    """A client that dies after a number of calls, shared by both sides."""

    def __init__(self, client: redis.Redis, budget: list[int]) -> None:
        self._client, self._budget = client, budget

    def __getattr__(self, name: str) -> object:
        method = getattr(self._client, name)

        def spend(*arguments: object, **options: object) -> object:
            self._budget[0] -= 1
            if self._budget[0] < 0:
                raise KilledError
            outcome = method(*arguments, **options)
            return Fragile(outcome, self._budget) if name == "pipeline" else outcome

        return spend
