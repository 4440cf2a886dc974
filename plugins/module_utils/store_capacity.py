"""What stores may take of a host at worst, against what the host has. Pure, no host is asked."""

from __future__ import annotations

from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import StoreSpec

# Files beside those of clients: Redis itself sets 32 aside; the rest is for its log's files, and for the event loops
# that each thread of Dragonfly and of Redis from 8 on has. With the default of max_clients the sum is below 4096.
_OWN_FILES, _FILES_PER_THREAD = 64, 8


def open_files(spec: StoreSpec) -> int:
    """How many files the store must be allowed to open (RLIMIT_NOFILE) to serve all its clients."""
    return spec.max_clients + _OWN_FILES + _FILES_PER_THREAD * spec.threads
