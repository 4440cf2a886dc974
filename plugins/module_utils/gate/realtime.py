"""Needs of realtime events: Python publishes them, socketio's node client listens."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

from ansible_collections.benchfly.stores.plugins.module_utils.gate.need import Need, UnmetError, When, expect, need
from ansible_collections.benchfly.stores.plugins.module_utils.gate.probe import Probe

# Frappe 14 publishes on redis_socketio, which bench sets to the cache.
_EVENTS = When("on the cache only before Frappe 15", lambda probe: probe.purpose == "queue" or probe.frappe < 15)


@need("Published messages arrive", "frappe.publish_realtime, redis-py's PubSub", when=_EVENTS)
def publish(probe: Probe) -> str:
    """Python to Python."""
    channel = probe.name("events")
    listener = probe.another().pubsub(ignore_subscribe_messages=True)
    try:
        listener.subscribe(channel)
        listener.get_message(timeout=1)
        probe.client.publish(channel, "hello")
        message = listener.get_message(timeout=2) or listener.get_message(timeout=2)
    finally:
        listener.close()
    if message is None:
        raise UnmetError("did not arrive within 4 s")
    expect("the message", message["data"], b"hello")
    return "arrived"


@need("socketio's node client hears them", "bench socketio", when=_EVENTS)
def node(probe: Probe) -> str:
    """Python to a bare socket that says, command by command, what the node client does."""
    channel = probe.name("node-events")
    parts = urlsplit(probe.url)
    database = parts.path[1:] if parts.scheme != "unix" else ""
    with probe.bare() as stream:
        replies = stream.makefile("rb")

        def ask(*command: str) -> list[bytes]:
            stream.sendall(_packed(command))
            return _reply(replies)

        if parts.password:
            user = [unquote(parts.username)] if parts.username else []
            expect("AUTH", ask("AUTH", *user, unquote(parts.password)), [b"OK"])
        if database not in ("", "0"):
            expect("SELECT", ask("SELECT", database), [b"OK"])
        # @redis/client says who it is and does not mind a refusal. node-redis 3 waits while INFO says that the server
        # loads or lost its master; Dragonfly's plain INFO says neither, and 3.1.2 was seen to take that for ready.
        greeting = ("CLIENT", "SETINFO", "LIB-NAME", "node-redis") if probe.frappe >= 15 else ("INFO",)
        greeted = ask(*greeting)
        not_ready = re.search(rb"^(loading:[^0]|master_link_status:(?!up)).*", greeted[0], re.MULTILINE)
        if probe.frappe < 15 and not_ready:
            raise UnmetError(f"the node client waits, since INFO says {not_ready.group().decode().strip()}")
        expect("SUBSCRIBE", ask("SUBSCRIBE", channel), [b"subscribe", channel.encode(), b"1"])
        probe.client.publish(channel, "hello")
        expect("the message", _reply(replies), [b"message", channel.encode(), b"hello"])
    return "arrived"


def _packed(command: tuple[str, ...]) -> bytes:
    words = [word.encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def _reply(stream: Any) -> list[bytes]:
    """One reply of RESP2, flat: the words of an array, or the one that there is. Errors come as words too."""
    line = stream.readline().rstrip(b"\r\n")
    if not line:
        raise UnmetError("the server closed the connection")
    kind, rest = line[:1], line[1:]
    if kind == b"*":
        return [word for _ in range(int(rest)) for word in _reply(stream)]
    return [stream.read(int(rest) + 2)[:-2]] if kind == b"$" and rest != b"-1" else [rest]


NEEDS: tuple[Need, ...] = (publish, node)
