"""frappe.app:application, the WSGI application that gunicorn serves.

    GET  /api/method/ping           {"message": "pong"}
    POST /api/method/enqueue?n=7    enqueue numbered job 7; 200, with its id, only once it is enqueued
                                    optional: queue (default: each in turn), sleep (seconds that a job takes),
                                    jobs (how many such jobs; their ids are job_ids)
    POST /api/method/clear_cache    delete the site's cache: KEYS, then one UNLINK
    GET  /app?n=7                   a desk page: some 36 cached reads
    GET  /login                     the login page: 15 cached reads, the same ones each time

Parameters come in the query string or in a JSON body.

Every request also does what Frappe does around every request: it reads the session and adds to monitor-transactions.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

import frappe
from frappe import database
from frappe.desk import read_login, read_page
from frappe.numbered import enqueue_numbered
from frappe.realtime import publish_realtime
from frappe.utils.redis_wrapper import clear_cache
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

_QUEUES = ("short", "default", "long")
_SESSION_UPDATE_SECONDS = 600


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    started = time.time()
    try:
        parameters = _parameters(environ)
        frappe.init(_site(environ))
        if frappe.MAJOR >= 16:
            frappe.get_hooks()  # from the process itself, mostly
        user = _resume_session(environ)
        route = (environ["REQUEST_METHOD"], environ["PATH_INFO"])
        if route in _ROUTES:
            status, answer = "200 OK", _ROUTES[route](parameters, user)
        else:
            status, answer = "404 Not Found", {"exc_type": "DoesNotExistError"}
        _monitor(environ["PATH_INFO"], parameters, time.time() - started)
    except Exception as error:
        traceback.print_exc()
        status, answer = "500 Internal Server Error", {"exc_type": type(error).__name__, "exception": str(error)}
    database.close()
    body = json.dumps(answer).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _ping(parameters: dict[str, Any], user: str) -> dict[str, Any]:
    return {"message": "pong"}


def _enqueue(parameters: dict[str, Any], user: str) -> dict[str, Any]:
    n = int(parameters["n"])
    queue = parameters.get("queue") or _QUEUES[n % 3]
    sleep, jobs = float(parameters.get("sleep", 0)), int(parameters.get("jobs", 1))
    job_ids = [enqueue_numbered(n, queue, sleep=sleep) for _ in range(jobs)]
    # A lost connection makes Frappe write the search index to SQL at once.
    with suppress(RedisConnectionError):
        frappe.cache.lpush("global_search_queue", json.dumps({"doctype": "ToDo", "name": n}))
    publish_realtime("list_update", {"doctype": "ToDo", "name": n}, room="doctype:ToDo")
    return {"message": {"job_id": job_ids[0], "job_ids": job_ids}}


def _clear_cache(parameters: dict[str, Any], user: str) -> dict[str, Any]:
    clear_cache()
    return {"message": "ok"}


def _app(parameters: dict[str, Any], user: str) -> dict[str, Any]:
    misses = read_page(user)
    with suppress(RedisConnectionError):
        record = json.dumps({"user": user, "route": "List/ToDo", "n": parameters.get("n")})
        frappe.cache.rpush("insert_queue_for_Route History", record)
    return {"message": {"misses": misses}}


def _login(parameters: dict[str, Any], user: str) -> dict[str, Any]:
    return {"message": {"misses": read_login()}}


_ROUTES: dict[tuple[str, str], Callable[[dict[str, Any], str], dict[str, Any]]] = {
    ("GET", "/api/method/ping"): _ping,
    ("POST", "/api/method/enqueue"): _enqueue,
    ("POST", "/api/method/clear_cache"): _clear_cache,
    ("GET", "/app"): _app,
    ("GET", "/login"): _login,
}


def _parameters(environ: dict[str, Any]) -> dict[str, Any]:
    parameters: dict[str, Any] = dict(parse_qsl(environ.get("QUERY_STRING", "")))
    if length := int(environ.get("CONTENT_LENGTH") or 0):
        parameters |= json.loads(environ["wsgi.input"].read(length))
    return parameters


def _site(environ: dict[str, Any]) -> str:
    """The site that the request names as its host, else the bench's default site."""
    host = environ.get("HTTP_HOST", "").partition(":")[0]
    return host if host in frappe.get_sites() else frappe.get_site_config(None)["default_site"]


def _resume_session(environ: dict[str, Any]) -> str:
    """Read the session, one field of one hash per site; a missing one is made anew, as Frappe does from SQL."""
    cookies = SimpleCookie(environ.get("HTTP_COOKIE", ""))
    if "sid" not in cookies:
        return "Guest"
    sid = cookies["sid"].value
    session = frappe.cache.hget("session", sid)
    updated = frappe.cache.hget("last_db_session_update", sid)
    if session is None or updated is None or time.time() - updated > _SESSION_UPDATE_SECONDS:
        data = {"csrf_token": "0" * 56, "lang": "en", "session_ip": "127.0.0.1", "last_updated": time.ctime()}
        session = {"user": f"{sid}@example.com", "sid": sid, "data": data}
        frappe.cache.hset("session", sid, session)
        frappe.cache.hset("last_db_session_update", sid, time.time())
    return str(session["user"])


def _monitor(path: str, parameters: dict[str, Any], seconds: float) -> None:
    if frappe.conf.get("monitor"):
        entry = {"site": frappe.site, "path": path, "n": parameters.get("n"), "duration": round(seconds * 1e6)}
        with suppress(RedisError):  # the monitor never fails a request
            frappe.cache.rpush("monitor-transactions", json.dumps(entry))
