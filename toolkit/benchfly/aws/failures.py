"""What AWS and its library say, in benchfly's errors: what was asked for, why it failed, and what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping

from botocore import exceptions  # type: ignore[import-untyped]
from botocore.session import Session  # type: ignore[import-untyped]

from benchfly.errors import (
    AwsCredentialsError,
    AwsDeniedError,
    AwsError,
    AwsNotFoundError,
    AwsRegionError,
    AwsThrottledError,
)

# AWS has no list of all its codes; these are of the services that benchfly asks.
_KINDS: Mapping[type[AwsError], re.Pattern[str]] = {
    AwsDeniedError: re.compile(r"^(AccessDenied\w*|UnauthorizedOperation|\w*NotAuthorized\w*|Forbidden|403)$"),
    AwsThrottledError: re.compile(
        r"^(Throttl\w+|RequestLimitExceeded|TooManyRequests\w*|SlowDown|RequestThrottled\w*|503)$"
    ),
    AwsCredentialsError: re.compile(
        r"^(InvalidAccessKeyId|InvalidClientTokenId|UnrecognizedClientException|SignatureDoesNotMatch|AuthFailure"
        r"|InvalidToken|ExpiredToken\w*|RequestExpired|TokenRefreshRequired)$"
    ),
    AwsRegionError: re.compile(
        r"^(PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException|OptInRequired|301)$"
    ),
    AwsNotFoundError: re.compile(r"^(NoSuch\w+|\w+\.(NotFound\w*|Unknown)|\w*NotFound(Exception)?|404)$"),
}
_REMEDIES = {
    AwsDeniedError: "The credentials may not do that. `benchfly aws policy` prints what they need",
    AwsThrottledError: "AWS asks for fewer requests, after several attempts. Try again later",
    AwsCredentialsError: "The credentials are wrong or have expired. Log in again, or set AWS_PROFILE",
    AwsRegionError: "That is of another region. Set AWS_REGION, or the region of the profile",
    AwsNotFoundError: "There is no such thing in this account and region. Correct its name, or the account and region",
}


def translated(error: Exception, what: str, service: str, region: str | None) -> AwsError:
    """The error to raise for one of botocore's."""
    if isinstance(error, exceptions.ClientError):
        return _refused(error, what, service)
    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return AwsCredentialsError(f"{what}: there are no credentials. Log in with the AWS tools, or set AWS_PROFILE.")
    if isinstance(error, exceptions.ProfileNotFound):
        return AwsCredentialsError(f"{what}: {error}. Correct AWS_PROFILE, or add it to ~/.aws/config.")
    if isinstance(error, exceptions.TokenRetrievalError | exceptions.SSOError | exceptions.CredentialRetrievalError):
        return AwsCredentialsError(f"{what}: the credentials cannot be had: {error}. Log in again with the AWS tools.")
    if isinstance(error, exceptions.NoRegionError | exceptions.InvalidRegionError):
        return AwsRegionError(f"{what}: no region is chosen. Set AWS_REGION, or the region of the profile.")
    if isinstance(error, exceptions.EndpointConnectionError) and region and not _is_region(region, service):
        return AwsRegionError(f"{what}: there is no region {region} for {service}. Correct AWS_REGION.")
    if isinstance(error, exceptions.WaiterError):
        return AwsError(f"{what}: what was waited for did not come: {error}.")
    return AwsError(f"{what} does not answer: {error}. Check the network, AWS_REGION and AWS_ENDPOINT_URL.")


def _refused(error: exceptions.ClientError, what: str, service: str) -> AwsError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    # What follows is a blob for AWS's own tool; and some messages end with a full stop, some do not.
    said = str(error.response.get("Error", {}).get("Message", "")).partition(" Encoded authorization")[0].rstrip(". ")
    call = f"{service} refused {error.operation_name}"
    for kind, pattern in _KINDS.items():
        if pattern.match(code):
            return kind(f"{what}: {call} ({code}): {said}. {_REMEDIES[kind]}.", code)
    return AwsError(f"{what}: {call} ({code}): {said}.", code)


def _is_region(region: str, service: str) -> bool:
    session = Session()
    partitions = session.get_available_partitions()
    return any(region in session.get_available_regions(service, each) for each in partitions)
