"""`benchfly aws`: what benchfly needs of an account."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from benchfly.aws import policy
from benchfly.aws.prices import asked, listed
from benchfly.cli.help import examples
from benchfly.errors import RefusedError
from benchfly.results.s3 import Bucket

_USES = "; ".join(f"{use.name}: {use.what[0].lower()}{use.what[1:]}" for use in policy.uses().values())
_EPILOG = examples(
    ("benchfly aws policy inventory secrets", "for a controller that moves benches"),
    ("benchfly aws prices c7g.2xlarge --region eu-central-1 > prices.yml", "a list for controllers without a network"),
    ("benchfly aws policy results --bucket s3://bench-results/team", "for one that puts results into a bucket, too"),
)

app = typer.Typer(no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the group of commands."""
    parent.add_typer(app, name="aws", epilog=_EPILOG)


@app.callback()
def aws() -> None:
    """Say what benchfly needs of an account of AWS."""


@app.command("prices", epilog=_EPILOG)
def show_prices(
    types: Annotated[list[str], typer.Argument(metavar="TYPE...", help="Instance types.", show_default=False)],
    region: Annotated[str, typer.Option(help="Region of the instances.", show_default=False)],
) -> None:
    """Print what AWS asks for instances on demand today, as a list that `benchfly cost --prices` reads."""
    found = asked(types, region)
    sys.stdout.write(listed(found))
    if missing := sorted(set(types) - set(found.hourly)):
        raise RefusedError(
            f"AWS names no single price for {', '.join(missing)} in {region}. Correct the type or the region."
        )


@app.command("policy", epilog=_EPILOG)
def show_policy(
    uses: Annotated[list[str], typer.Argument(metavar="USE...", help=f"What for. {_USES}.", show_default=False)],
    bucket: Annotated[
        str, typer.Option(metavar="S3", help="Results: s3://bucket/prefix, instead of a placeholder.")
    ] = "",
    key: Annotated[str, typer.Option(metavar="ARN", help="Results: the key that encrypts them.")] = "",
    parameters: Annotated[str, typer.Option(metavar="PATH", help="Secrets: names in Parameter Store.")] = "",
    secrets: Annotated[str, typer.Option(metavar="NAMES", help="Secrets: names in Secrets Manager.")] = "",
    role: Annotated[str, typer.Option(metavar="ARN", help="The role in the other account.")] = "",
    region: Annotated[str, typer.Option(help="Only in this region.")] = "",
    account: Annotated[str, typer.Option(metavar="NUMBER", help="Only in this account.")] = "",
) -> None:
    """Print the policy of IAM that allows the calls which benchfly makes for that, and no other."""
    unknown = [use for use in uses if use not in policy.uses()]
    if unknown:
        raise RefusedError(f"There is no use {unknown[0]}. Uses are {', '.join(policy.uses())}.")
    given = {
        "key": key,
        "parameters": parameters,
        "secrets": secrets,
        "role": role,
        "region": region,
        "account": account,
    }
    scope = {name: value for name, value in given.items() if value}
    if bucket:
        there = Bucket.named(bucket, "--bucket")
        scope |= {"bucket": there.name, "prefix": f"{there.prefix}/" if there.prefix else ""}
    sys.stdout.write(json.dumps(policy.document(uses, scope), indent=2) + "\n")
