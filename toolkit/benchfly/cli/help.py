"""Help that teaches by example."""

from __future__ import annotations

from benchfly.errors import AwsError, RefusedError, ResultsError, RunFailedError, UnreachableError
from benchfly.schedule.findings import Code

INTERRUPTED = 130
DEBUG = "BENCHFLY_DEBUG"  # variable of the environment that has tracebacks shown

# In the words of benchfly.errors; 1 is a fault of benchfly itself.
EXIT_CODES = {
    0: "done",
    1: "a fault in benchfly",
    2: "wrong command line",
    RefusedError.exit_code: "refused, and nothing was changed",
    RunFailedError.exit_code: "failed part-way",
    UnreachableError.exit_code: "a host could not be reached",
    ResultsError.exit_code: "a stored result cannot be read",
    AwsError.exit_code: "AWS refused a call, or does not answer",
    Code.REGRESSION: "a scheduled benchmark found a store slower than before",
    Code.PUT_OFF: "a scheduled benchmark was put off by a blackout window",
    Code.MISSED: "a scheduled benchmark was missed, because somebody else was at work",
    INTERRUPTED: "interrupted",
}


def examples(*pairs: tuple[str, str]) -> str:
    """The end of a help page: what one may want, and the command line for it."""
    return "\n\n".join(["[bold]Examples[/]", *(f"[dim]# {what}[/]\n{command}" for command, what in pairs)])


def exit_codes() -> str:
    """The exit codes, one a line."""
    lines = [f"{code:>3}  {meaning}" for code, meaning in EXIT_CODES.items()]
    return "\n\n".join(["[bold]Exit codes[/]", "\n".join(lines)])
