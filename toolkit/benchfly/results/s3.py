"""Results in a bucket, which every controller of a fleet puts its runs into.

    <prefix>/runs/<id>/run.json                  what the run is: verb, controller, began, ended, status
    <prefix>/runs/<id>/outcome.json              what came of it, as in the run's folder, without secrets
    <prefix>/runs/<id>/benchmark.json            of a benchmark everything, with raw outputs and command lines
    <prefix>/trials/run=<id>/rows.jsonl          the columns of the table `trials`, for Athena and DuckDB
    <prefix>/comparisons/run=<id>/rows.jsonl     the columns of the table `comparisons`, and capacities/ alike

BENCHFLY_S3=s3://bucket/prefix says where, and BENCHFLY_S3_KEY the key of KMS that encrypts it, else S3's own; region,
credentials and endpoint are those of the AWS tools (AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL). No two controllers
write one object: run.json is written first and only where there is none, and says whose the run is.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from benchfly import aws
from benchfly.errors import AwsError, RefusedError, ResultsError
from benchfly.results import benchmarks
from benchfly.results.database import Record, find
from benchfly.results.runs import Run

VARIABLE, KEY = "BENCHFLY_S3", "BENCHFLY_S3_KEY"
TABLES = ("trials", "comparisons", "capacities")
BENCHMARK, OUTCOME, _RUN = "benchmark.json", "outcome.json", "run.json"
# What S3 says when an object is there already, and when another is being written at the same moment.
_CONFLICTS = ("PreconditionFailed", "ConditionalRequestConflict")


@dataclass(frozen=True)
class Bucket:
    """Where results are kept besides this machine."""

    name: str
    prefix: str

    @classmethod
    def configured(cls) -> Bucket | None:
        """What BENCHFLY_S3 says, or None. Raises RefusedError when it is no address of a bucket."""
        given = os.environ.get(VARIABLE, "")
        return cls.named(given, VARIABLE) if given else None

    @classmethod
    def named(cls, address: str, where: str) -> Bucket:
        """The bucket of an address. Raises RefusedError that names `where` it was given."""
        parts = urlsplit(address)
        if parts.scheme != "s3" or not parts.netloc:
            raise RefusedError(f"{where} is {address!r}. Give it as s3://bucket or s3://bucket/prefix")
        return cls(parts.netloc, parts.path.strip("/"))

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/")

    def push(self, run: Run) -> list[str]:
        """Put a run that has ended there; again is as once. The keys of its objects.

        Raises AwsError, and RefusedError when another controller has a run of that id there.
        """
        files = {name: run.folder / name for name in (OUTCOME, BENCHMARK)}
        bodies = {f"runs/{run.id}/{name}": path.read_bytes() for name, path in files.items() if path.exists()}
        if files[BENCHMARK].exists():
            rows = {table: getattr(benchmarks, table)(run.id) for table in TABLES}
            bodies |= {f"{table}/run={run.id}/rows.jsonl": _lines(each) for table, each in rows.items()}
        first = self._claim(run)
        with aws.client("s3", what=str(self)) as client:
            for key, body in bodies.items():
                client.put_object(Bucket=self.name, Key=self._key(key), Body=body, **_encryption())
        return [first, *map(self._key, bodies)]

    def _claim(self, run: Run) -> str:
        """Put run.json there unless there is one, which must then be of the same run; its key."""
        given = {**asdict(find(run.id)), "controller": platform.node(), "folder": str(run.folder)}
        key, body = self._key(f"runs/{run.id}/{_RUN}"), json.dumps(given, default=str, indent=1).encode()
        try:
            with aws.client("s3", what=str(self)) as client:
                client.put_object(Bucket=self.name, Key=key, Body=body, IfNoneMatch="*", **_encryption())
        except AwsError as error:
            if error.code not in _CONFLICTS:
                raise
            with aws.client("s3", what=str(self)) as client:
                there = client.get_object(Bucket=self.name, Key=key)["Body"].read()
            if there != body:
                message = f"s3://{self.name}/{key} is of another controller: {there.decode('utf-8', 'replace')}"
                raise RefusedError(f"{message}\nNothing was put there; {run.id} is kept here alone.") from None
        return key

    def records(self, verb: str | None = None, limit: int = 20) -> list[tuple[Record, str]]:
        """The last runs of all controllers, newest first, each with its controller. Raises AwsError, ResultsError."""
        with aws.client("s3", what=str(self)) as client:
            names = sorted(self._runs(client), reverse=True)
            wanted = [name for name in names if verb in (None, "-".join(name.split("-")[2:-1]))][:limit]
            return [_record(self._object(client, f"runs/{name}/{_RUN}"), str(self)) for name in wanted]

    def find(self, run: str) -> tuple[Record, str, Mapping[str, Any]]:
        """The run there with that id, or the only one whose id ends so: with its controller, and what came of it.

        Raises AwsError, ResultsError.
        """
        with aws.client("s3", what=str(self)) as client:
            found = [name for name in self._runs(client) if name == run or name.endswith(f"-{run}")]
            if len(found) != 1:
                many = f"{len(found)} runs" if found else "no run"
                raise ResultsError(f"{self} has {many} {run}. `benchfly results --from {self}` lists those there are")
            record, controller = _record(self._object(client, f"runs/{found[0]}/{_RUN}"), str(self))
            return record, controller, self._object(client, f"runs/{found[0]}/{OUTCOME}")

    def rows(self, table: str) -> Iterator[Mapping[str, Any]]:
        """All rows of a table that are there, of every controller. Raises AwsError, ResultsError."""
        with aws.client("s3", what=str(self)) as client:
            for key in self._keys(client, f"{table}/"):
                body = client.get_object(Bucket=self.name, Key=key)["Body"].read()
                yield from _rows(body, f"s3://{self.name}/{key}")

    def _runs(self, client: Any) -> list[str]:
        return [key.split("/")[-2] for key in self._keys(client, "runs/") if key.endswith(f"/{_RUN}")]

    def _keys(self, client: Any, below: str) -> Iterator[str]:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=self._key(below)):
            yield from (entry["Key"] for entry in page.get("Contents", ()))

    def _object(self, client: Any, name: str) -> Mapping[str, Any]:
        key = self._key(name)
        body = client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return _parsed(body.decode("utf-8", "replace"), f"s3://{self.name}/{key}")

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name


def _encryption() -> dict[str, str]:
    key = os.environ.get(KEY, "")
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {"ServerSideEncryption": "AES256"}


def _record(given: Mapping[str, Any], where: str) -> tuple[Record, str]:
    try:
        ended = datetime.fromisoformat(given["finished"]) if given["finished"] else None
        started = datetime.fromisoformat(given["started"])
        return Record(given["id"], given["verb"], started, ended, given["status"]), str(given["controller"])
    except (KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{where} has a {_RUN} that benchfly did not write so: {error!r}") from error


def _lines(rows: Iterable[Any]) -> bytes:
    return "".join(json.dumps(asdict(row)) + "\n" for row in rows).encode()


def _rows(body: bytes, where: str) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(body.decode("utf-8", "replace").splitlines(), 1):
        yield _parsed(line, f"{where}: line {number}")


def _parsed(text: str, where: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ResultsError(f"{where} is no JSON; benchfly did not write it so") from error
    if not isinstance(found, dict):
        raise ResultsError(f"{where} is no JSON object; benchfly did not write it so")
    return found
