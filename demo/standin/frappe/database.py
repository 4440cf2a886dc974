"""frappe.db, as far as a cache spares it: what is not in the cache is one SELECT at the site's MariaDB.

A site whose configuration has no password has no database, as most stand-ins. Each request or job connects anew, at its
first statement, as Frappe does.
"""

from __future__ import annotations

from typing import Any

import frappe

_connection: Any = None


def build(name: str) -> None:
    """Ask for what a value of the cache is made of; the stand-in makes it of nothing."""
    global _connection
    if not frappe.conf.get("db_password"):
        return
    if _connection is None:
        import pymysql  # which only the stand-in of v15 has

        _connection = pymysql.connect(
            host=frappe.conf["db_host"],
            port=frappe.conf["db_port"],
            user=frappe.conf["db_name"],
            password=frappe.conf["db_password"],
        )
    with _connection.cursor() as cursor:
        cursor.execute("SELECT %s", (name,))


def close() -> None:
    """At the end of a request."""
    global _connection
    if _connection is not None:
        _connection.close()
        _connection = None
