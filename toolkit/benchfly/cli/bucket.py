"""Runs in a bucket: put there when they end, where one is configured."""

from __future__ import annotations

from rich.text import Text

from benchfly.errors import BenchflyError, RefusedError
from benchfly.results import Run
from benchfly.results.s3 import VARIABLE, Bucket


def kept_in_bucket(run: Run) -> Text | None:
    """Put a run that has ended into the bucket, if there is one, and say so; it is kept here in any case."""
    try:
        bucket = Bucket.configured()
        if bucket is None:
            return None
        bucket.push(run)
    except BenchflyError as error:
        return Text(f"Kept here alone: {error} `benchfly results push {run.id}` tries again.")
    return Text(f"In the bucket: {bucket}")


def configured_bucket() -> Bucket:
    """The bucket that is configured. Raises RefusedError when none is."""
    bucket = Bucket.configured()
    if bucket is None:
        raise RefusedError(f"No bucket is configured. Set {VARIABLE}=s3://bucket/prefix.")
    return bucket
