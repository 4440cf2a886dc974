"""Tells people, through Apprise: webhook, Slack, mail and whatever else it knows. Where to is a secret."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from benchfly.errors import RefusedError

_SECONDS = 60  # for one service


def send(urls: Sequence[str], title: str, body: str) -> list[str]:
    """Notify every service, and say which could not be, without its URL. Raises RefusedError without Apprise."""
    if not urls:
        return []
    try:
        import apprise
    except ImportError as error:
        raise RefusedError("Notifications need Apprise: pip install 'benchfly[schedule]'") from error
    logging.getLogger("apprise").propagate = False  # it logs addresses, and what a service answered
    logging.getLogger("apprise").addHandler(logging.NullHandler())
    problems = []
    for number, url in enumerate(urls, 1):
        scheme = url.partition("://")[0]
        service = apprise.Apprise()
        if not service.add(url):
            problems.append(f"number {number} ({scheme}) is no URL that Apprise knows")
        elif not _sent(service, title, body):
            problems.append(f"number {number} ({scheme}) did not take the notification")
    return problems


def _sent(service: object, title: str, body: str) -> bool:
    try:
        return bool(service.notify(title=title, body=body, timeout=_SECONDS))  # type: ignore[attr-defined]
    except Exception:  # a service's plugin failed; its message may have the URL in it
        return False
