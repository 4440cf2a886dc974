"""Everything benchfly can raise on purpose, and the exit code that each ends with.

BenchflyError                 1   anything below; never raised itself
├── RefusedError              3   nothing was changed: the reason and the remedy are in the message
│   ├── InventoryError        3   the inventory is wrong; carries one problem per line
│   └── BusyError             3   another run is at it
├── RunFailedError            4   a playbook failed part-way; the message says how to resume or roll back
│   └── UnreachableError      5   a host could not be reached
├── ResultsError              6   a stored result or a tool's output cannot be read
└── AwsError                  7   AWS refused a call or does not answer; the message names both and the remedy
    ├── AwsDeniedError        7   the credentials are not allowed to make the call
    ├── AwsThrottledError     7   too many calls, also after retries
    ├── AwsNotFoundError      7   what was asked for does not exist in this account and region
    ├── AwsCredentialsError   7   there are no credentials, or they are wrong or expired
    └── AwsRegionError        7   no region, or another one than that of what was asked for

Exit codes 0 (done), 2 (wrong command line) and 130 (interrupted) come from the command line itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class BenchflyError(Exception):
    """Base of the tree; `exit_code` is what the command ends with."""

    exit_code = 1


class RefusedError(BenchflyError):
    """Nothing was changed, and nothing will be until the reason is dealt with."""

    exit_code = 3


@dataclass(frozen=True)
class Problem:
    """One thing wrong in an inventory: where it stands, what is wrong, what to do."""

    where: str  # file:line where known, else the file
    host: str  # host or group the value belongs to
    key: str  # dotted path of the variable, e.g. stores.shop-queue.eviction
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.host}: {self.key}: {self.reason}. {self.remedy}"


class InventoryError(RefusedError):
    """The inventory is wrong; `problems` has every one that was found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class BusyError(RefusedError):
    """Another run holds what this one needs."""


class RunFailedError(BenchflyError):
    """A playbook failed part-way."""

    exit_code = 4


class UnreachableError(RunFailedError):
    """A host could not be reached."""

    exit_code = 5


class ResultsError(BenchflyError):
    """A stored result or a tool's output cannot be read."""

    exit_code = 6


class AwsError(BenchflyError):
    """AWS refused a call or does not answer; `code` is AWS's own word for why, empty when it did not answer."""

    exit_code = 7

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class AwsDeniedError(AwsError):
    """The credentials are not allowed to make the call."""


class AwsThrottledError(AwsError):
    """There were too many calls, also after retries."""


class AwsNotFoundError(AwsError):
    """What was asked for does not exist in this account and region."""


class AwsCredentialsError(AwsError):
    """There are no credentials, or they are wrong or expired."""


class AwsRegionError(AwsError):
    """No region is chosen, or another one than that of what was asked for."""
