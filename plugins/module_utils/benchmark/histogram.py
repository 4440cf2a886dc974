"""Latencies as HdrHistogram's V2 format, which load generators write, and several of them put together.

Written here with the standard library alone, for hosts that make load; read and merged with the package hdrhistogram,
which only the controller needs.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# Microseconds up to an hour, in three significant digits.
_HIGHEST, _DIGITS, _HALF = 3_600_000_000, 3, 1024
_COOKIE, _COMPRESSED = 0x1C849303 | 0x10, 0x1C849304 | 0x10


class HistogramError(ValueError):
    """A histogram cannot be read, or not on this host."""


def encode(counts: Mapping[int, int]) -> str:
    """How many operations took so many microseconds, as compressed base64; empty for none."""
    buckets: dict[int, int] = {}
    for value, count in counts.items():
        index = _index(max(1, min(value, _HIGHEST)))
        buckets[index] = buckets.get(index, 0) + count
    if not buckets:
        return ""
    payload = b"".join(_varints(buckets))
    header = struct.pack(">iiiiqqd", _COOKIE, len(payload), 0, _DIGITS, 1, _HIGHEST, 1.0)
    packed = zlib.compress(header + payload)
    return base64.b64encode(struct.pack(">ii", _COMPRESSED, len(packed)) + packed).decode()


def _index(value: int) -> int:
    """The bucket of a value, by the format's own arithmetic."""
    shift = max(0, value.bit_length() - 11)
    return (shift + 1) * _HALF + (value >> shift) - _HALF


def _varints(buckets: Mapping[int, int]) -> Iterable[bytes]:
    """Counts up to the last one; so many empty buckets are one negative number."""
    at = 0
    for index in sorted(buckets):
        if index > at:
            yield _varint(at - index)
        yield _varint(buckets[index])
        at = index + 1


def _varint(number: int) -> bytes:
    """ZigZag LEB128 of 64 bits: seven bits a byte, the ninth byte whole."""
    rest, found = (number << 1) ^ (number >> 63), bytearray()
    while rest > 0x7F and len(found) < 8:
        found.append(rest & 0x7F | 0x80)
        rest >>= 7
    found.append(rest)
    return bytes(found)


def merge(histograms: Sequence[tuple[str, float]]) -> Any:
    """One hdrh.histogram.HdrHistogram (in microseconds) of several encoded ones. Raises HistogramError.

    With an interval (in microseconds, 0 for none) a histogram is of a connection that should have sent every so often
    and waited instead: the latencies that this left out are put in, as HdrHistogram does it.
    """
    try:
        from hdrh.histogram import HdrHistogram
    except ImportError as error:
        raise HistogramError("merging histograms needs hdrhistogram. Install it: pip install hdrhistogram") from error
    whole = HdrHistogram(1, _HIGHEST, _DIGITS)
    for encoded, interval in histograms:
        try:
            part = HdrHistogram.decode(encoded)
        except Exception as error:  # the package raises whatever happens to it
            raise HistogramError(f"this is no HdrHistogram: {encoded[:40]!r} ({error})") from error
        for found in part.get_recorded_iterator():
            if found.count_added_in_this_iter_step:
                value, count = found.value_iterated_to, found.count_added_in_this_iter_step
                whole.record_corrected_value(value, interval, count) if interval else whole.record_value(value, count)
    return whole
