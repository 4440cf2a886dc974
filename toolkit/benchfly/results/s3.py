"""Results in a bucket, as rows of JSON that Athena and DuckDB read as they are.

    <prefix>/trials/run=<id>/rows.jsonl          the columns of the table `trials`
    <prefix>/comparisons/run=<id>/rows.jsonl     the columns of the table `comparisons`
    <prefix>/capacities/run=<id>/rows.jsonl      the columns of the table `capacities`
    <prefix>/runs/<id>/benchmark.json            everything, with raw outputs and command lines

BENCHFLY_S3=s3://bucket/prefix says where; region, credentials and another endpoint are those of the AWS tools
(AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchfly import aws
from benchfly.errors import RefusedError, ResultsError
from benchfly.results import benchmarks

VARIABLE = "BENCHFLY_S3"
TABLES = ("trials", "comparisons", "capacities")


@dataclass(frozen=True)
class Bucket:
    """Where results are kept besides this machine."""

    name: str
    prefix: str

    @classmethod
    def configured(cls) -> Bucket | None:
        """What BENCHFLY_S3 says, or None. Raises RefusedError when it is no address of a bucket."""
        given = os.environ.get(VARIABLE, "")
        if not given:
            return None
        parts = urlsplit(given)
        if parts.scheme != "s3" or not parts.netloc:
            raise RefusedError(f"{VARIABLE} is {given!r}. Give it as s3://bucket or s3://bucket/prefix")
        return cls(parts.netloc, parts.path.strip("/"))

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/")

    def push(self, run: str, folder: Path) -> list[str]:
        """Put a benchmark's rows and its file there, over what was there of it; their keys. Raises AwsError."""
        contents = {
            self._key(f"{table}/run={run}/rows.jsonl"): _lines(getattr(benchmarks, table)(run)) for table in TABLES
        }
        contents[self._key(f"runs/{run}/benchmark.json")] = (folder / "benchmark.json").read_bytes()
        with aws.client("s3", what=str(self)) as client:
            for key, content in contents.items():
                client.put_object(Bucket=self.name, Key=key, Body=content)
        return list(contents)

    def rows(self, table: str) -> Iterator[Mapping[str, Any]]:
        """All rows of a table that are there, of every machine that put some. Raises AwsError, ResultsError."""
        with aws.client("s3", what=str(self)) as client:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=self._key(f"{table}/"))
            for page in pages:
                for entry in page.get("Contents", ()):
                    body = client.get_object(Bucket=self.name, Key=entry["Key"])["Body"].read()
                    yield from _rows(body, f"s3://{self.name}/{entry['Key']}")

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name


def _lines(rows: Iterable[Any]) -> bytes:
    return "".join(json.dumps(asdict(row)) + "\n" for row in rows).encode()


def _rows(body: bytes, where: str) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(body.decode("utf-8", "replace").splitlines(), 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ResultsError(f"{where}: line {number} is no JSON; benchfly did not write it so") from error
        if not isinstance(row, dict):
            raise ResultsError(f"{where}: line {number} is no row; benchfly did not write it so")
        yield row
