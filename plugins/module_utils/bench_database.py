"""What MariaDB counts of the statements that a bench's sites send, asked through the bench's own client library."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import BenchError

try:
    import pymysql as driver  # what Frappe has up to v15
except ImportError:
    try:
        import MySQLdb as driver  # noqa: N813  # and from v16 on
    except ImportError:
        driver = None

# Both views of one moment: so the statements of this session, this one included, are left out exactly.
_STATEMENT = """
    SELECT VARIABLE_NAME, everybody.VARIABLE_VALUE - own.VARIABLE_VALUE
    FROM information_schema.GLOBAL_STATUS everybody JOIN information_schema.SESSION_STATUS own USING (VARIABLE_NAME)
    WHERE VARIABLE_NAME IN ('QUESTIONS', 'COM_SELECT')
"""
_STILL = 0.02  # seconds without a statement after which a request is taken to have sent all of its own
_PATIENCE = 0.5  # seconds that this is waited for


@dataclass(frozen=True)
class Counts:
    """Statements that clients have sent, MariaDB's `Questions`, and those of them that read, `Com_select`."""

    questions: int
    selects: int

    def since(self, earlier: Counts) -> Counts:
        """What was added since an earlier reading."""
        return Counts(self.questions - earlier.questions, self.selects - earlier.selects)


class Database:
    """A connection to the MariaDB of a site, as Frappe connects; `config` is the site's over the bench's.

    All that it does raises BenchError, without the password, when MariaDB does not answer.
    """

    def __init__(self, site: str, config: dict[str, Any]) -> None:
        if driver is None:
            raise BenchError(
                "this Python has neither PyMySQL nor mysqlclient; set ansible_python_interpreter to the bench's "
                "env/bin/python"
            )
        kind = config.get("db_type", "mariadb")
        if kind != "mariadb" or not config.get("db_password"):
            raise BenchError(
                f"site {site} has no MariaDB with a password: db_type is {kind}. Only MariaDB's own counters are read"
            )
        self._site = site
        self._connection = self._asked(lambda: driver.connect(**_options(config)))

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    @property
    def version(self) -> str:
        """Such as `10.11.6-MariaDB`."""
        return str(self._rows("SELECT VERSION()")[0][0])

    def counts(self) -> Counts:
        """What everybody but this connection has sent since MariaDB started."""
        found = {str(name).lower(): int(value) for name, value in self._rows(_STATEMENT)}
        return Counts(found["questions"], found["com_select"])

    def settled(self) -> Counts:
        """The same once nothing is added any more: Frappe has work that it does when the answer is sent."""
        deadline, before = time.monotonic() + _PATIENCE, self.counts()
        while True:
            time.sleep(_STILL)
            now = self.counts()
            if now == before or time.monotonic() >= deadline:
                return now
            before = now

    def _rows(self, statement: str) -> Any:
        def ask() -> Any:
            with self._connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall()

        return self._asked(ask)

    def _asked(self, ask: Any) -> Any:
        try:
            return ask()
        except driver.Error as error:
            raise BenchError(
                f"the MariaDB of site {self._site} refuses or does not answer: {error}. Its address, user and password "
                f"are those of sites/{self._site}/site_config.json"
            ) from error


def _options(config: dict[str, Any]) -> dict[str, Any]:
    """How Frappe itself connects: frappe.database.get_db and frappe.database.mariadb of v14 to v16."""
    options = {
        "user": config.get("db_user") or config["db_name"],
        "password": config["db_password"],
        "connect_timeout": 10,
    }
    if config.get("db_socket"):
        options["unix_socket"] = config["db_socket"]
    else:
        options.update(host=config.get("db_host") or "127.0.0.1", port=int(config.get("db_port") or 3306))
    ssl = {part: config[f"db_ssl_{part}"] for part in ("ca", "cert", "key") if config.get(f"db_ssl_{part}")}
    return {**options, "ssl": ssl} if ssl else options
