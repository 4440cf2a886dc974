"""Policies allow the calls that benchfly makes, and no other: recorded calls are held against them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.ec2 import fleet
from tests.ec2.conftest import REGION
from tests.unit.test_results_benchmarks import cli_json, home, stored

from benchfly import cli
from benchfly.aws import policy
from benchfly.fleet.inventory import Inventory
from benchfly.results import s3

__all__ = ["home"]  # a fixture

SOURCE = str(Path(__file__).parents[2] / "inventories/ec2")
Recorded = Callable[[], set[str]]


def made(use: str) -> set[str]:
    """The calls of a use that benchfly makes itself, in the words of the API."""
    return {call.call for call in policy.uses()[use].calls if not call.by}


def test_inventory_and_other_accounts(account: str, recorded: Recorded, tmp_path: Path) -> None:
    fleet.launch([fleet.GENERATOR], REGION)
    Inventory([SOURCE])
    assert recorded() == made("inventory")
    role = "assume_role_arn: arn:aws:iam::210987654321:role/benchfly"
    text = Path(SOURCE, "fleet.aws_ec2.yml").read_text()
    (tmp_path / "second.aws_ec2.yml").write_text(f"{text}{role}\n")
    Inventory([str(tmp_path)])
    assert recorded() == made("inventory") | made("other-account")


def test_results(
    account: str, recorded: Recorded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(s3.VARIABLE, "s3://policies")
    assert cli_json(capsys, "results", "bucket", "--region", REGION, "--yes")[0] == 0
    assert recorded() == made("results-bucket")
    run = stored()
    for _ in range(2):
        assert cli_json(capsys, "results", "push", run.id)[0] == 0
    assert cli_json(capsys, "results", "list", "--from", "s3://policies")[0] == 0
    assert recorded() == made("results-bucket") | made("results")


def test_secrets(account: str, recorded: Recorded) -> None:
    fleet.keep_password(REGION)
    fleet.operator("secretsmanager", REGION).create_secret(Name="benchfly/erp", SecretString="in-secrets-manager")
    inventory = Inventory([SOURCE])
    for name in ("ssm:/benchfly/store_password", "secretsmanager:benchfly/erp"):
        assert inventory.template("localhost", "x", trusted(f"lookup('benchfly.stores.aws_secret', '{name}')"))
    assert not inventory.problems
    assert recorded() == made("inventory") | made("secrets")


def trusted(expression: str) -> Any:
    from ansible.template import trust_as_template

    return trust_as_template("{{ " + expression + " }}")


def test_the_printed_policy_is_that_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    command = "aws policy results results-key secrets --bucket s3://b/team --account 123456789012 --region eu-west-1"
    with pytest.raises(SystemExit, match="0"):
        cli.main([*command.split(), "--key", "arn:aws:kms:eu-west-1:123456789012:key/1"])
    found = json.loads(capsys.readouterr().out)
    allowed = {(action, one["Resource"]) for one in found["Statement"] for action in one["Action"]}
    assert allowed == {
        ("s3:GetObject", "arn:aws:s3:::b/team/*"),
        ("s3:PutObject", "arn:aws:s3:::b/team/*"),
        ("s3:ListBucket", "arn:aws:s3:::b"),
        ("kms:Decrypt", "arn:aws:kms:eu-west-1:123456789012:key/1"),
        ("kms:GenerateDataKey", "arn:aws:kms:eu-west-1:123456789012:key/1"),
        ("ssm:GetParameter", "arn:aws:ssm:eu-west-1:123456789012:parameter/benchfly/*"),
        ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:benchfly/*"),
    }
    with pytest.raises(SystemExit, match="3"):
        cli.main(["aws", "policy", "nothing"])
    assert "There is no use nothing. Uses are inventory, " in " ".join(capsys.readouterr().err.split())


def test_iam_takes_every_policy(account: str) -> None:
    """As far as moto's IAM reads them: its grammar, and each statement's id once."""
    iam = fleet.operator("iam", REGION)
    text = json.dumps(policy.document(list(policy.uses()), {}))
    iam.create_policy(PolicyName="benchfly", PolicyDocument=text)
    assert "*" not in {action for one in json.loads(text)["Statement"] for action in one["Action"]}
