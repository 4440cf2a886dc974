"""A fleet in an account becomes an inventory by its tags, through the official plugin; wrong tags are named."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.ec2 import fleet
from tests.ec2.conftest import REGION

from benchfly.errors import InventoryError
from benchfly.fleet.inventory import Inventory
from benchfly.fleet.loader import load
from benchfly.fleet.model import Fleet

ROOT = Path(__file__).parents[2]
SOURCE = str(ROOT / "inventories/ec2")


def read(*extra_vars: str) -> Fleet:
    return load([SOURCE], extra_vars)


def wrong(*extra_vars: str) -> list[str]:
    with pytest.raises(InventoryError) as raised:
        read(*extra_vars)
    return [str(problem) for problem in raised.value.problems]


def test_stores_benches_and_load_generators(account: str) -> None:
    shop = fleet.bench("shop", frappe_bench_path="/srv/shop")
    given = [fleet.stores("shop"), shop, {**shop, "Name": ""}, fleet.GENERATOR]
    store, web, nameless, generator = fleet.launch(given, REGION)
    fleet.launch([{"Name": "other", "benchfly:fleet": "staging"}], REGION)  # the file asks for one fleet
    password = fleet.keep_password(REGION)
    found = read()
    assert found.load_generators == (f"load_{generator}",)
    assert set(found.benches["shop"].hosts) == {f"shop_{web}", nameless}
    assert (found.benches["shop"].path, found.benches["shop"].stores) == ("/srv/shop", ("shop-cache", "shop-queue"))
    (host,) = {each.host for each in found.stores.values()}
    assert host == f"stores_{store}" and found.hosts[host].host_class == "r7g.large"
    assert found.hosts[host].memory == 16384 * 1024**2
    cache = found.stores["shop-cache"]
    assert (cache.spec.engine, cache.spec.memory, cache.spec.password) == ("valkey", 1024**3, password)
    assert cache.address == cache.spec.bind == found.hosts[host].address
    assert password not in json.dumps(found.as_dict())


def test_memory_by_type_of_instance(account: str) -> None:
    hosts = fleet.launch(
        [{**fleet.stores("shop"), **fleet.store("shop", "cache", 6380, "")}, fleet.stores("erp")], REGION
    )
    fleet.keep_password(REGION)
    cache, queue = (read().stores[name] for name in ("shop-cache", "shop-queue"))
    assert cache.host == queue.host == f"stores_{hosts[0]}"
    # Nine tenths of 16 GiB less 1.75 for the queue with its append-only file, of which a cache may take 1.25 at worst.
    assert cache.spec.memory // 1024**2 == int((16 * 0.9 - 1.75) / 1.25 * 1024)
    fleet.operator("ec2", REGION).create_tags(
        Resources=hosts[1:], Tags=[{"Key": "benchfly:store:erp-cache", "Value": "purpose=cache port=6380 memory=14gb"}]
    )
    (problem,) = wrong()
    assert re.match(rf"{hosts[1]}, tag benchfly:store:erp-cache: .*the host has 14745 of its 16384 MiB", problem)


# Of an instance with the stores of shop, changed so: what is said of it.
WRONG: list[tuple[dict[str, str | None], str]] = [
    ({"benchfly:group": None}, "tag benchfly:group: {host}: benchfly:group: is missing. Say what the instance is"),
    ({"benchfly:group": ""}, "tag benchfly:group: {host}: benchfly:group: is empty. Say what"),
    ({"benchfly:group": "store"}, "tag benchfly:group: {host}: benchfly:group: 'store' is no group. Say stores"),
    ({"benchfly:grup": "x"}, "tag benchfly:grup: {host}: benchfly:grup: is no tag of benchfly's. Did you mean"),
    ({"benchfly:bench": "x"}, "benchfly:bench: is of benches, and the instance is none. Add benches to"),
    ({"benchfly:group": "stores benches"}, "benchfly:bench: is missing. Name the bench"),
    ({"benchfly:group": "benches", "benchfly:bench": "my-shop"}, "'my-shop' cannot be the name of a group"),
    ({"benchfly:group": "load_generators"}, "is of stores, and the instance is none"),
    ({"benchfly:store:x": "cache port=1"}, "'cache' is no setting. Say it as in purpose=cache"),
    ({"benchfly:store:x": "port=1 port=2"}, "port is in it twice. Keep one"),
    ({"benchfly:store:x": "password=hunter2"}, "password is in it, and tags are no secret. Say it by"),
]


def test_wrong_tags_are_named(account: str) -> None:
    """Without a group an instance is in no inventory; each case is an instance of its own, all in one fleet."""
    changed = [{**fleet.stores(f"shop{number}"), **tags} for number, (tags, _) in enumerate(WRONG)]
    ids = fleet.launch([{key: value for key, value in tags.items() if value is not None} for tags in changed], REGION)
    fleet.keep_password(REGION)
    problems = wrong()
    for instance, (_, said) in zip(ids, WRONG, strict=True):
        of_it = [problem for problem in problems if problem.startswith(f"{instance}, tag benchfly:")]
        assert any(said.format(host=f"stores_{instance}") in problem for problem in of_it), (said, of_it)
    assert {problem.partition(",")[0] for problem in problems} == set(ids)
    assert "hunter2" not in "".join(problems)


# The same of what its stores would be, which is only looked at when the tags themselves are right.
NO_STORES = [
    ("memory=1gbb port=6380 purpose=cache", "shop-cache: {host}: stores.shop-cache.memory: '1gbb' is not an"),
    ("memry=1gb port=6380 purpose=cache", "shop-cache: {host}: stores.shop-cache.memry: is no key of a store. Did you"),
    ("port=6381 purpose=cache", "shop-queue: {host}: stores.shop-queue.port: "),
]


@pytest.mark.parametrize(("value", "said"), NO_STORES)
def test_wrong_stores_are_named_with_their_tags(account: str, value: str, said: str) -> None:
    (instance,) = fleet.launch([{**fleet.stores("shop"), "benchfly:store:shop-cache": value}], REGION)
    fleet.keep_password(REGION)
    problems = wrong()
    place = f"{instance}, tag benchfly:store:"
    assert any(problem.startswith(place + said.format(host=f"stores_{instance}")) for problem in problems), problems


def test_a_wrong_tag_of_a_bench_is_named(account: str) -> None:
    web = fleet.bench("shop", frappe_bench_cache_store="x")
    (_, instance) = fleet.launch([fleet.stores("shop"), web], REGION)
    fleet.keep_password(REGION)
    (problem,) = wrong()
    assert problem.startswith(f"{instance}, tag benchfly:frappe_bench_cache_store: shop: frappe_bench_cache_store: 'x'")


def test_another_scheme_of_tags_is_not_touched(account: str, tmp_path: Path) -> None:
    (instance,) = fleet.launch([{"Role": "stores"}], REGION)
    plugin = f"plugin: amazon.aws.aws_ec2\nregions: [{REGION}]\nhostnames: [instance-id]\n"
    (tmp_path / "own.aws_ec2.yml").write_text(f"{plugin}keyed_groups: [{{key: tags.Role, separator: ''}}]\n")
    (tmp_path / "group_vars").mkdir()
    stores = "stores: {a: {engine: valkey, purpose: cache, port: 6379, memory: 64mb}}\n"
    (tmp_path / "group_vars/stores.yml").write_text(stores)
    assert load([str(tmp_path)]).stores["a"].host == instance


def test_several_regions_and_accounts(account: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file has its own credentials: one is of the account at hand, one assumes a role in another."""
    here, there = "eu-central-1", "us-east-2"
    fleet.launch([fleet.stores("shop")], here)
    fleet.launch([fleet.bench("shop")], there)
    fleet.launch([fleet.GENERATOR], here, account="210987654321")
    for region in (here, there):
        fleet.keep_password(region)
    inventory = tmp_path / "ec2"
    shutil.copytree(SOURCE, inventory)
    file = inventory / "fleet.aws_ec2.yml"
    text = file.read_text().replace(f"  - {here}\n", f"  - {here}\n  - {there}\n")
    file.write_text(text)
    role = "assume_role_arn: arn:aws:iam::210987654321:role/benchfly"
    (inventory / "second.aws_ec2.yml").write_text(f"{text}{role}\n")
    found = load([str(inventory)])
    assert len(found.hosts) == 3 and found.load_generators and found.benches["shop"].stores
    groups = Inventory([str(inventory)])
    sizes = {"region_us_east_2": 1, "region_eu_central_1": 2, "account_123456789012": 2, "account_210987654321": 1}
    assert {group: len(groups.hosts(group)) for group in sizes} == sizes


@pytest.mark.parametrize("mode", ["direct", "bastion", "session_manager"])
def test_ssh_goes_where_it_is_told(account: str, mode: str) -> None:
    """OpenSSH itself reads what Ansible would give it."""
    if shutil.which("ssh") is None:
        pytest.skip("ssh is not installed")
    (instance,) = fleet.launch([fleet.GENERATOR], REGION)
    wanted = {
        "direct": [],
        "bastion": ["proxyjump admin@bastion.example.com"],
        "session_manager": [
            f"proxycommand aws ssm start-session --target {instance} --region {REGION} "
            "--document-name AWS-StartSSHSession --parameters portNumber=%p"
        ],
    }[mode]
    extra = json.dumps({"ec2_ssh": mode, "ec2_bastion": "admin@bastion.example.com"})
    inventory = Inventory([SOURCE], [extra])
    arguments, address = (
        str(inventory.value(f"load_{instance}", f"ansible_{key}")) for key in ("ssh_common_args", "host")
    )
    command = ["ssh", "-G", *shlex.split(arguments), address]
    options = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line for line in options if line.startswith(("proxyjump", "proxycommand"))] == wanted
    assert (address == instance) == (mode == "session_manager")


@pytest.mark.parametrize("answering", [(403, "UnauthorizedOperation")], indirect=True)
def test_an_account_that_may_not_be_read(answering: list[int]) -> None:
    (problem,) = wrong()
    assert "UnauthorizedOperation" in problem and "Check the credentials, the region and the network" in problem
    assert answering


def test_without_the_plugin_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "fleet.aws_ec2.yml").write_text("plugin: amazon.none.aws_ec2\n")
    with pytest.raises(InventoryError, match=r'pip install "benchfly\[ec2\]"'):
        load([str(tmp_path)])
