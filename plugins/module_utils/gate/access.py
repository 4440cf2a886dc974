"""Needs of benches with users of their own on the queue store (use_rq_auth, made by bench create-rq-users)."""

from __future__ import annotations

import secrets
import warnings
from contextlib import suppress
from urllib.parse import urlsplit

from ansible_collections.benchfly.stores.plugins.module_utils.gate.need import Need, UnmetError, When, expect, need
from ansible_collections.benchfly.stores.plugins.module_utils.gate.probe import Probe
from ansible_collections.benchfly.stores.plugins.module_utils.gate.rq_probe import RqProbe
from ansible_collections.benchfly.stores.plugins.module_utils.gate.verdicts import NO, NOTE, SETTING
from ansible_collections.benchfly.stores.plugins.module_utils.store_client import redis

_QUEUE = ("queue",)
_USERS = When("benches with use_rq_auth", lambda probe: bool(probe.config.get("use_rq_auth")))


@need(
    "The bench's own user may log in",
    "workers and web, with rq_username and rq_password of common_site_config.json",
    purposes=_QUEUE,
    when=_USERS,
    otherwise=SETTING,
    remedy="declare that user in `users` of the store, with the rules that bench create-rq-users writes",
)
def login(probe: Probe) -> str:
    """As Frappe connects: a password in the URL goes before those of the configuration."""
    user, password = probe.config.get("rq_username"), probe.config.get("rq_password")
    if urlsplit(probe.url).password:
        return "the password in the URL goes before it"
    probe.as_user(str(user or "default"), str(password or "")).ping()
    return f"{user} may log in"


def _job(rq: RqProbe, bench_id: str) -> None:
    queue = rq.queue(f"{bench_id}:")
    job = rq.enqueue(queue, "operator.index", 1)
    expect("the job taken", rq.dequeue([queue], None), job.id)


def _birth(rq: RqProbe, bench_id: str) -> None:
    rq.worker(rq.queue(f"{bench_id}:"))


def _channel(rq: RqProbe, bench_id: str) -> None:
    listener = rq.connection.pubsub()
    try:
        listener.subscribe(f"rq:pubsub:benchfly-probe-{rq.probe.id}")
        listener.get_message(timeout=1)  # a refusal is the answer to SUBSCRIBE
    finally:
        listener.close()


def _apart(rq: RqProbe, bench_id: str) -> None:
    with suppress(redis.exceptions.NoPermissionError):
        rq.connection.llen(f"rq:queue:not-{bench_id}:default")
        raise UnmetError("another bench's queues are open to it")


_STEPS = {"jobs": _job, "a worker's birth": _birth, "a worker's channel": _channel, "other benches": _apart}


@need(
    "The rules of bench create-rq-users suffice for RQ and keep benches apart",
    "benches with use_rq_auth; others are only told",
    purposes=_QUEUE,
    otherwise=NOTE,
    remedy="do without use_rq_auth on this store, or add to its users' rules what is missing",
)
def rules(probe: Probe) -> str:
    """A user with those rules, made for this question and deleted after it, lives RQ's life."""
    name, password = f"benchfly-probe-{probe.id}", secrets.token_hex(16)
    patterns = ("~rq:[^q]*", "~rq:queues", f"~rq:queue:{probe.bench_id}:*")
    probe.client.execute_command("ACL", "SETUSER", name, "on", f">{password}", *patterns, "+@all", "-@admin")
    failed = []
    try:
        for what, step in _STEPS.items():
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of RQ, which does without CLIENT SETNAME where it is refused
                    step(RqProbe(probe, probe.as_user(name, password)), probe.bench_id)
            except (redis.exceptions.RedisError, UnmetError) as error:
                if isinstance(error, UnmetError) and error.verdict:
                    raise  # it has a remedy of its own: the rules are not what is wrong
                failed.append(f"{what}: {error}")
    finally:
        probe.client.execute_command("ACL", "DELUSER", name)
    if failed:
        raise UnmetError("; ".join(failed), verdict=NO if _USERS.applies(probe) else NOTE)
    return "jobs of its own bench, and no other's"


NEEDS: tuple[Need, ...] = (login, rules)
