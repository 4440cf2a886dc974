"""What docs/ec2.md shows is so: its commands run, its variables are read, its tags and figures are the code's."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from ansible_collections.benchfly.stores.plugins.module_utils import ec2_tags
from tests.ec2 import fleet
from tests.ec2.conftest import REGION
from tests.unit.test_results_benchmarks import home, stored

from benchfly import cli
from benchfly.aws import clients
from benchfly.benchmark.cost import MONTH

__all__ = ["home"]  # a fixture

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/ec2.md").read_text()
COMMANDS = re.findall(r"^\$ benchfly (.*)$", TEXT, re.MULTILINE)


@pytest.mark.usefixtures("account")
def test_its_commands_run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (address,) = re.findall(r"^\$ export BENCHFLY_S3=(\S+)$", TEXT, re.MULTILINE)
    monkeypatch.setenv("BENCHFLY_S3", address)
    monkeypatch.chdir(ROOT)
    fleet.launch([fleet.stores("shop"), fleet.bench("shop")], REGION)
    fleet.keep_password(REGION)
    run = stored()
    for command in COMMANDS:
        # moto has no prices: what is said then is that there are none.
        expected = "7" if command.startswith("aws prices") else "0"
        with pytest.raises(SystemExit, match=expected):
            cli.main([run.id if word == "RUN" else word for word in shlex.split(command)])
        said = capsys.readouterr()
        assert said.out or said.err, command
        if command.startswith("results bucket"):
            with pytest.raises(SystemExit, match="0"):
                cli.main(["results", "push", run.id])
    assert len(COMMANDS) == 12


def test_its_problem_is_said_so() -> None:
    (line,) = re.findall(r"^i-\w+, tag .*$", TEXT, re.MULTILINE)
    tags = {"benchfly:group": "store"}
    (problem,) = ec2_tags.problems(tags)
    assert line.endswith(f"{problem.tag}: {problem.reason}. {problem.remedy}")


def test_its_tags_are_all_there_are() -> None:
    table = TEXT.partition("| tag | on |")[2].partition("\n\n")[0]
    told = set(re.findall(r"`(benchfly:[\w:]+)`", table))
    assert told == {
        tag if tag != ec2_tags.STORE else f"{ec2_tags.STORE}NAME" for tag in (*ec2_tags.KNOWN, ec2_tags.STORE)
    }


def test_its_secrets_are_variables_and_its_figures_those_of_the_code() -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    variables = yaml.safe_load(block)
    roles = yaml.safe_load((ROOT / "roles/store_service/meta/argument_specs.yml").read_text())
    assert "store_service_files" in roles["argument_specs"]["main"]["options"]
    assert "benchfly.stores.aws_secret" in json.dumps(variables["store_service_files"])
    assert (
        "store_password" in (ROOT / "inventories/ec2/group_vars/stores.yml").read_text() and variables["store_password"]
    )
    text = " ".join(TEXT.split())
    assert f"({clients.CONNECT} s to connect, {clients.READ} s to answer) and four attempts" in text
    assert clients.ATTEMPTS == 4 and f"a month of {MONTH} hours" in text
