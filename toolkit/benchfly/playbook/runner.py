"""Runs one playbook through ansible-runner: log kept, events without loss, secrets off disk, Ctrl-C clean."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import ansible_runner  # type: ignore[import-untyped]
from ansible import constants as ansible_config  # type: ignore[import-untyped]
from ansible.parsing.splitter import parse_kv  # type: ignore[import-untyped]

from benchfly.paths import collection
from benchfly.playbook.outcome import Event, Outcome, Status, Tally
from benchfly.signals import handled

# Called with every event, in order, after the tally has taken it in; may be slow.
Observer = Callable[[Event, Tally], None]

_LOG = "ansible.log"
_POLL_SECONDS = 0.2  # how often ansible-runner looks at the cancel callback
_STOP_STEPS = ((signal.SIGINT, 30.0), (signal.SIGTERM, 5.0))  # what a stop sends, and the seconds it then waits
# A host that died is given up after 15 seconds; ansible.cfg of this project, and of whoever uses another, goes before.
_SSH_ARGS = "-o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=5 -o ServerAliveCountMax=3"
# Without it a killed controller leaves an ansible-playbook that works on, unseen, against the next run.
_DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "TERM", "--")


@dataclass(frozen=True)
class Invocation:
    """What to run and on what.

    extra_vars are `-e` options as on Ansible's command line (k=v, JSON, YAML or @file); variables are set on top.
    niceness: 0 to 19; the higher, the more of the CPU do others get who want it at the same time.
    """

    playbook: Path
    inventory: Sequence[str]
    extra_vars: Sequence[str] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    limit: str | None = None
    tags: Sequence[str] = ()
    check: bool = False
    diff: bool = False
    verbosity: int = 0
    niceness: int = 0


def playbook(verb: str) -> Path:
    """The collection's playbook of that verb; Ansible takes no dash in the name of one."""
    return collection() / "playbooks" / f"{verb.replace('-', '_')}.yml"


def run(invocation: Invocation, folder: Path, observe: Observer = lambda event, tally: None) -> Outcome:
    """Run a playbook to its end and say what came of it; the full log stays in folder/ansible.log.

    Must be called on the main thread: it takes SIGINT, SIGTERM and SIGHUP for the time of the run and stops Ansible.
    """
    private = folder / "ansible"
    private.mkdir(mode=0o700)
    try:
        return _run(invocation, folder / _LOG, private, observe)
    finally:
        shutil.rmtree(private)


def _run(invocation: Invocation, log: Path, private: Path, observe: Observer) -> Outcome:
    log.touch(mode=0o600)
    consumer = _Consumer(log, observe)
    stop = _Stop()

    def on_event(event: Event) -> bool:
        # Whatever takes time here is time in which ansible-runner does not read, and at the end loses, output.
        if event["event"] == "playbook_on_start":
            stop.pid = event["pid"]
        consumer.put(event)
        return False  # keep no event on disk

    def on_status(status: Mapping[str, Any], runner_config: Any) -> None:
        if status["status"] == "running":
            # ansible-runner notes the whole environment there, with any secret in it.
            Path(runner_config.artifact_dir, "command").unlink()

    runner = ansible_runner.interface.init_runner(
        private_data_dir=str(private),
        project_dir=str(Path.cwd()),  # the working directory, as under plain ansible-playbook
        playbook=str(invocation.playbook),
        inventory=list(invocation.inventory),
        limit=invocation.limit,
        tags=",".join(invocation.tags) or None,
        verbosity=invocation.verbosity,
        cmdline=shlex.join(_options(invocation, private)) or None,
        envvars=_environment(),
        settings={"pexpect_timeout": _POLL_SECONDS, "suppress_output_file": True},
        fact_cache_type="",  # leave Ansible's own setting alone
        quiet=True,
        event_handler=on_event,
        status_handler=on_status,
        cancel_callback=stop.kill_now,
    )
    runner.config.command[:0] = ["nice", "-n", str(invocation.niceness)]
    runner.config.command[:0] = _DIE_WITH_PARENT if shutil.which(_DIE_WITH_PARENT[0]) else ()
    with stop.on_signals(), consumer:
        runner.run()
    return consumer.tally.outcome(_status(runner.rc, stop, consumer.tally), log)


def _status(code: int, stop: _Stop, tally: Tally) -> Status:
    if code == 0:
        return "ok"
    if stop.requests:
        return "interrupted"
    counts = tally.hosts.values()
    if any(host.unreachable for host in counts) and not any(host.failed for host in counts):
        return "unreachable"
    return "failed"


def _environment() -> dict[str, str]:
    """What Ansible is run with on top of the caller's environment; the caller's ansible.cfg stays in force."""
    # Our own collection first: another version of it may be installed in Ansible's usual places.
    spec = find_spec("ansible_collections")
    ours = [str(Path(location).parent) for location in (spec and spec.submodule_search_locations) or ()]
    environment = {
        "PATH": os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath))),
        "LC_ALL": "C.UTF-8",  # Ansible refuses to run under a locale that is not UTF-8
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join([*ours, *ansible_config.COLLECTIONS_PATHS]),
        # ansible-runner turns this off unless it is named.
        "ANSIBLE_HOST_KEY_CHECKING": str(ansible_config.HOST_KEY_CHECKING),
        # One command over SSH for a task, not three.
        "ANSIBLE_PIPELINING": os.environ.get("ANSIBLE_PIPELINING", "True"),
        "ANSIBLE_STDOUT_CALLBACK": "default",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_NOCOWS": "1",
    }
    if ansible_config.CONFIG_FILE:
        environment["ANSIBLE_CONFIG"] = str(ansible_config.CONFIG_FILE)
    elif "ANSIBLE_SSH_ARGS" not in os.environ:
        environment["ANSIBLE_SSH_ARGS"] = _SSH_ARGS
    return environment


def _options(invocation: Invocation, private: Path) -> list[str]:
    """Options for ansible-playbook; variables go through files, since anyone can read a command line."""
    options = [name for name, wanted in (("--check", invocation.check), ("--diff", invocation.diff)) if wanted]
    texts = [*invocation.extra_vars, json.dumps(dict(invocation.variables))]
    for number, text in enumerate(texts):
        if text.startswith("@"):
            path = Path(text[1:]).expanduser().absolute()
        else:
            path = private / f"extra_vars_{number}.yml"
            path.touch(mode=0o600)
            path.write_text(text if text[:1] in "[{" else json.dumps(parse_kv(text)), encoding="utf-8")
        options += ["-e", f"@{path}"]
    return options


class _Consumer(threading.Thread):
    """Takes events off a queue, so that the handler stays cheap however slow the log, the tally or the observer is."""

    def __init__(self, log: Path, observe: Observer) -> None:
        super().__init__(name="benchfly-events")
        self.tally = Tally()
        self._log = log
        self._observe = observe
        self._queue: SimpleQueue[Event | None] = SimpleQueue()
        self._error: Exception | None = None

    def put(self, event: Event) -> None:
        """Hand over an event; the thread begins with the first, when Ansible has been forked off already."""
        self._queue.put(event)
        if self.ident is None:
            self.start()

    def run(self) -> None:
        try:
            self._consume()
        except Exception as error:
            self._error = error

    def _consume(self) -> None:
        with self._log.open("w", encoding="utf-8") as log:
            for event in map(_censored, iter(self._queue.get, None)):
                if text := event.get("stdout"):
                    log.write(text.replace("\r\n", "\n") + "\n")
                    log.flush()
                self.tally.feed(event)
                self._show(event)

    def _show(self, event: Event) -> None:
        # A fault in the display must not cost the log or the outcome.
        if self._error is None:
            try:
                self._observe(event, self.tally)
            except Exception as error:
                self._error = error

    def __enter__(self) -> _Consumer:
        return self

    def __exit__(self, *exception: object) -> None:
        self._queue.put(None)
        if self.ident is not None:
            self.join()
        if self._error is not None:
            raise self._error


def _censored(event: Event) -> Event:
    """The event without the error of a failed no_log task: ansible-core 2.19 hides the result and prints the error."""
    details = event.get("event_data") or {}
    if "censored" not in (details.get("res") or {}):
        return event
    return {**event, "stdout": f"[{details['host']}]: output hidden (no_log)"}


class _Stop:
    """An asked-for stop, in steps that let Ansible end its workers; each has its time, and another Ctrl-C skips it."""

    def __init__(self) -> None:
        self.requests = 0
        self.pid: int | None = None  # of ansible-playbook, once it runs plays
        self._taken = 0
        self._deadline = 0.0

    def kill_now(self) -> bool:
        """ansible-runner's cancel callback: True kills the process group of ansible-playbook, and nothing else.

        Its workers are in process groups of their own; only its own signal handlers reach them, hence the steps before.
        """
        if not self.requests:
            return False
        if self.pid is None:
            return True
        if self._taken < self.requests or time.monotonic() > self._deadline:
            if self._taken == len(_STOP_STEPS):
                return True
            number, grace = _STOP_STEPS[self._taken]
            self._taken += 1
            self._deadline = time.monotonic() + grace
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
        return False

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Count signals for the time of a run."""

        def request(number: int, frame: object) -> None:
            self.requests += 1

        with handled(request):
            yield
