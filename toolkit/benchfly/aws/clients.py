"""Clients of AWS, all with the same timeouts, retries and errors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from benchfly.aws.failures import translated

# Seconds, and attempts: nobody should wait for minutes to learn that AWS does not answer. Between attempts botocore's
# standard mode waits a random time of up to 1, 2, 4 ... s when throttled, and a twentieth of that after other failures.
CONNECT, READ, ATTEMPTS = 5, 30, 4


@contextmanager
def client(service: str, *, region: str | None = None, profile: str | None = None, what: str = "") -> Iterator[Any]:
    """A boto3 client of a service, such as ec2; what fails inside the block comes out as an AwsError about `what`.

    Region, credentials and endpoint are those of the AWS tools where they are not given: AWS_REGION, AWS_PROFILE,
    AWS_ENDPOINT_URL and the files in ~/.aws, in which a profile may also assume a role. Raises AwsError.
    """
    config = Config(
        connect_timeout=CONNECT, read_timeout=READ, retries={"total_max_attempts": ATTEMPTS, "mode": "standard"}
    )
    # botocore itself reads AWS_DEFAULT_REGION alone; every other tool of AWS's prefers AWS_REGION.
    region = region or os.environ.get("AWS_REGION") or None
    try:
        session = boto3.Session(profile_name=profile, region_name=region)
        yield session.client(service, config=config)
    except (ClientError, BotoCoreError) as error:
        raise translated(error, what or service, service, region) from error
