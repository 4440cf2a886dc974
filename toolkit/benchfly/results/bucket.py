"""A bucket for results: closed to the public, encrypted, and with an end for what is large."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from benchfly import aws
from benchfly.errors import AwsNotFoundError
from benchfly.results.s3 import Bucket

_CLOSED = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def make(bucket: Bucket, days: int, region: str, key: str = "") -> None:
    """Make the bucket in that region unless there is one, and align what is said of it; again is as once.

    days: how long runs/ stays, which has the raw outputs; the rows of trials and comparisons stay for ever.
    key: ARN of a key of KMS, else S3's own encrypts. Rules of others for the bucket's life stay. Raises AwsError.
    """
    with aws.client("s3", region=region, what=str(bucket)) as s3:
        # us-east-1 is the one that must not be named; and a bucket that one has already is answered there as made.
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
            s3.create_bucket(Bucket=bucket.name, **where)
        s3.put_public_access_block(Bucket=bucket.name, PublicAccessBlockConfiguration=dict.fromkeys(_CLOSED, True))
        by = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key} if key else {"SSEAlgorithm": "AES256"}
        rule = {"ApplyServerSideEncryptionByDefault": by, "BucketKeyEnabled": bool(key)}
        s3.put_bucket_encryption(Bucket=bucket.name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    prefix = f"{bucket.prefix}/runs/" if bucket.prefix else "runs/"
    name = f"benchfly {prefix}"  # several teams may have their results in one bucket
    rules = [rule for rule in _rules(bucket, region) if rule["ID"] != name]
    own = {"ID": name, "Status": "Enabled", "Filter": {"Prefix": prefix}, "Expiration": {"Days": days}}
    with aws.client("s3", region=region, what=str(bucket)) as s3:
        s3.put_bucket_lifecycle_configuration(Bucket=bucket.name, LifecycleConfiguration={"Rules": [*rules, own]})


def _rules(bucket: Bucket, region: str) -> list[dict[str, Any]]:
    """What is said of the life of its objects; AWS calls it an error when that is nothing."""
    try:
        with aws.client("s3", region=region, what=str(bucket)) as s3:
            found: list[dict[str, Any]] = s3.get_bucket_lifecycle_configuration(Bucket=bucket.name)["Rules"]
            return found
    except AwsNotFoundError as error:
        if error.code != "NoSuchLifecycleConfiguration":
            raise
        return []
