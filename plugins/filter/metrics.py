"""What an exporter of a host's stores needs to know: where they are, and who it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

# Who listens everywhere is asked on loopback: the exporter runs on the store's own host.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104

Stores = Mapping[str, Mapping[str, Any]]


def _url(store: Mapping[str, Any], user: str = "") -> str:
    bind = _LOOPBACK.get(store["bind"], store["bind"])
    scheme = "rediss" if store.get("tls_cert_file") else "redis"
    at = f"{user}@" if user else ""
    return f"{scheme}://{at}{f'[{bind}]' if ':' in bind else bind}:{store['port']}"


def _password_of(rules: str) -> str:
    """The password in the rules of an ACL user; empty when it has none in clear."""
    return next((word[1:] for word in rules.split() if word.startswith(">")), "")


def exporter_targets(stores: Stores) -> dict[str, str]:
    """URL of each store on its own host, without a password."""
    return {name: _url(store) for name, store in stores.items()}


def exporter_user(stores: Stores, user: str) -> str:
    """`user` where the `acl` of every store has it with a password, else empty, which is the user `default`.

    An exporter has one user for all stores: versions before 1.69 take none from a target.
    """
    having = [store for store in stores.values() if _password_of((store.get("acl") or {}).get(user, ""))]
    return user if stores and len(having) == len(stores) else ""


def exporter_passwords(stores: Stores, user: str) -> dict[str, str]:
    """Password by URL, for redis_exporter's password file: with the user, as 1.69 asks, and without, as before."""
    chosen = exporter_user(stores, user)
    passwords = {}
    for store in stores.values():
        password = _password_of(store["acl"][chosen]) if chosen else store.get("password")
        if password:
            passwords.update(dict.fromkeys([_url(store), _url(store, chosen)], password))
    return passwords


def exporter_file_sd(stores: Stores, host: str, exporter: str) -> list[dict[str, Any]]:
    """Entries of the stores of one host for `file_sd_configs` of Prometheus.

    exporter: address and port at which Prometheus reaches it. Labels that begin with __ are for Prometheus alone.
    """
    return [
        {
            "targets": [exporter],
            "labels": {
                "__metrics_path__": "/scrape",
                "__param_target": url,
                "instance": name,
                "store": name,
                "purpose": stores[name]["purpose"],
                "engine": stores[name]["engine"],
                "host": host,
            },
        }
        for name, url in exporter_targets(stores).items()
    ]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {
            "exporter_file_sd": exporter_file_sd,
            "exporter_passwords": exporter_passwords,
            "exporter_targets": exporter_targets,
            "exporter_user": exporter_user,
        }
