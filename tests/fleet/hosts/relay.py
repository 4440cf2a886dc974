"""Hold back or lose ethernet frames between two interfaces: `tc netem` for kernels without it.

Run by the harness as `python -m tests.fleet.hosts.relay <interface> <interface> <delay ms> <jitter ms> <loss %>`; says
`ready` when frames pass. Each direction has the delay, so that a round trip takes twice as much longer.
"""

from __future__ import annotations

import contextlib
import heapq
import random
import select
import socket
import struct
import sys
import time

# From linux/if_packet.h and linux/if_ether.h; Python's socket does not name them all.
SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 1, 15, 23
PACKET_MR_PROMISC = 1
ETH_P_ALL = 3

BUFFER = 8 << 20
LONGEST = 70_000  # a frame of generic segmentation offload, with its header
AT_ONCE = 64  # frames read from one side before the other has its turn


def attach(interface: str) -> socket.socket:
    """A socket that gets and sends every frame there; the header before each keeps offloaded checksums whole."""
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    packets.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    packets.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    packets.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    packets.bind((interface, ETH_P_ALL))
    promiscuous = struct.pack("IHH8s", socket.if_nametoindex(interface), PACKET_MR_PROMISC, 0, b"")
    packets.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, promiscuous)
    packets.setblocking(False)
    return packets


def relay(interfaces: list[str], delay: float, jitter: float, loss: float) -> None:
    """Pass frames for ever; delay and jitter in seconds, loss from 0 to 1."""
    one, other = map(attach, interfaces)
    towards = {one: other, other: one}
    waiting: list[tuple[float, int, socket.socket, bytes]] = []
    count = 0
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        wait = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for source in select.select(towards, [], [], wait)[0]:
            for _ in range(AT_ONCE):
                try:
                    frame = source.recv(LONGEST)
                except OSError:  # nothing more, or the cable is out
                    break
                if random.random() >= loss:
                    count += 1  # frames of one moment stay in order
                    due = time.monotonic() + delay + random.uniform(-jitter, jitter)
                    heapq.heappush(waiting, (due, count, towards[source], frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, target, frame = heapq.heappop(waiting)
            with contextlib.suppress(OSError):  # as a cable does: what cannot be sent is lost
                target.send(frame)


if __name__ == "__main__":
    milliseconds, spread, percent = map(float, sys.argv[3:6])
    relay(sys.argv[1:3], milliseconds / 1000, spread / 1000, percent / 100)
