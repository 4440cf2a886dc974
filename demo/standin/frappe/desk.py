"""The cached reads of a desk page: which keys, how many of each and how large, as measured on Frappe 15.51.

About 36 round trips and 120 KiB per page, one after the other; what is missing is "built" and put into the cache.
"""

from __future__ import annotations

import random

import frappe
from frappe import database

# Hashes: name, number of fields, reads per page, bytes of a value.
HASHES = (
    ("doctype_meta", 111, 7, 7500),
    ("table_columns", 55, 5, 230),
    ("defaults", 24, 3, 80),
    ("user_permissions", 20, 1, 54),
    ("roles", 20, 1, 80),
    ("notifications", 14, 1, 5),
    ("_user_settings", 80, 1, 150),
    ("merged_translations", 1, 1, 6700),
)
# Strings: key, number of keys, reads per page, bytes of a value, seconds to live (0: for ever).
STRINGS = (
    ("document_cache::ToDo::{}", 48, 3, 3000, 0),
    ("app_hooks", 1, 2, 15500, 0),
    ("installed_app_modules", 1, 1, 145, 0),
    ("server_script_map", 1, 1, 36, 0),
    ("is_table", 1, 1, 1860, 0),
    ("db_tables", 1, 1, 4700, 0),
    ("frappe.desk.desktop.get_workspace_sidebar_items::{}", 20, 1, 2560, 21600),
)
BOOTINFO_BYTES = 70000
# Through frappe.client_cache from v16 on, fields of a hash as keys `<hash>::<field>`.
CLIENT_CACHED = (
    "doctype_meta",
    "table_columns",
    "defaults",
    "app_hooks",
    "installed_app_modules",
    "server_script_map",
    "is_table",
)

_BLOCK = random.Random(0).randbytes(BOOTINFO_BYTES)


def read_page(user: str) -> int:
    """Read what a desk page reads; returns the number of misses."""
    misses = 0
    for name, fields, reads, size in HASHES:
        for _ in range(reads):
            misses += _miss_field(name, f"field-{_popular(fields)}", size)
    for pattern, count, reads, size, seconds in STRINGS:
        for _ in range(reads):
            misses += _miss_key(pattern.format(_popular(count)), size, seconds)
    misses += _miss_field("bootinfo", user, BOOTINFO_BYTES)
    frappe.cache.get_value("recorder-intercept")  # asked for on every request, and never there
    # Frappe does not guard this one: with the cache down, /app is the page that fails.
    frappe.cache.sismember("changelog-update-user-set", user)
    return misses


def read_login() -> int:
    """Read what the login page reads, the first of each hash and kind of key; returns the number of misses."""
    misses = sum(_miss_field(name, "field-0", size) for name, _, _, size in HASHES)
    return misses + sum(_miss_key(pattern.format(0), size, seconds) for pattern, _, _, size, seconds in STRINGS)


def _miss_field(name: str, field: str, size: int) -> bool:
    """Whether a field had to be built."""
    if frappe.MAJOR >= 16 and name in CLIENT_CACHED:
        return _miss_key(f"{name}::{field}", size)
    if frappe.cache.hget(name, field) is not None:
        return False
    database.build(f"{name}::{field}")
    frappe.cache.hset(name, field, _BLOCK[:size])
    return True


def _miss_key(key: str, size: int, seconds: int = 0) -> bool:
    """Whether a key had to be built; those of the client cache live for ever."""
    cache = frappe.client_cache if key.partition("::")[0] in CLIENT_CACHED else frappe.cache
    if cache.get_value(key) is not None:
        return False
    database.build(key)
    if seconds:
        frappe.cache.set_value(key, _BLOCK[:size], expires_in_sec=seconds)
    else:
        cache.set_value(key, _BLOCK[:size])
    return True


def _popular(count: int) -> int:
    """An index below `count`, the lower the likelier: a tenth of the items gets a third of the reads."""
    return int(count * random.random() ** 2)
