"""Reading an inventory into a fleet."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ansible import constants

from benchfly.errors import InventoryError, RefusedError
from benchfly.fleet import inventory
from benchfly.fleet.loader import load
from benchfly.fleet.model import Bench, Store

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests/data/inventories"
MIB = 1024**2


def test_several_sources_of_several_kinds_make_one_fleet() -> None:
    fleet = load([str(DATA / "good"), str(DATA / "more_benches.py")], benches=["erp"])
    assert list(fleet.hosts) == ["s1", "here", "shop-web", "shop-workers", "erp-app"]
    assert fleet.benches == {
        "shop": Bench("shop", ("shop-web", "shop-workers"), "/home/frappe/shop", "shop-cache", "shop-queue"),
        "erp": Bench("erp", ("erp-app",), "/home/frappe/erp", None, "erp-queue"),
    }
    assert {store.name: (store.host, store.endpoint) for store in fleet.stores.values()} == {
        "shop-queue": ("s1", "10.0.0.1:6380"),
        "shop-cache": ("s1", "10.0.0.1:6381"),
        "erp-queue": ("here", "erp.example:6390"),
    }
    queue = fleet.stores["shop-queue"].spec
    assert (queue.engine, queue.purpose, queue.memory, queue.eviction) == ("redis", "queue", 64 * MIB, "none")
    assert fleet.stores_of(fleet.benches.values()) == tuple(
        fleet.stores[name] for name in ("shop-cache", "shop-queue", "erp-queue")
    )


def test_a_local_host_is_this_machine() -> None:
    hosts = load([str(DATA / "good")]).hosts
    assert (hosts["here"].is_local, hosts["here"].address) == (True, "127.0.0.1")
    assert (hosts["here"].memory or 0) > 64 * MIB
    assert (hosts["s1"].is_local, hosts["s1"].memory) == (False, None)


def test_values_are_plain_types() -> None:
    fleet = load([str(DATA / "good")])
    spec = fleet.stores["shop-queue"].spec
    assert {type(value) for value in vars(spec).values()} <= {str, int, bool, type(None)}
    assert type(fleet.benches["shop"].path) is str
    assert json.loads(json.dumps(fleet.as_dict()))["benches"]["shop"]["cache_store"] == "shop-cache"


@pytest.mark.parametrize("option", ["first_port=7000", '{"first_port": 7000}', "{first_port: 7000}", "@file"])
def test_extra_vars_win_in_every_form_that_ansible_knows(option: str, tmp_path: Path) -> None:
    file = tmp_path / "vars.yml"
    file.write_text("first_port: 7000\n")
    fleet = load([str(DATA / "good")], extra_vars=[f"@{file}" if option == "@file" else option])
    assert fleet.stores["shop-cache"].spec.port == 7001
    assert load([str(DATA / "good")]).stores["shop-cache"].spec.port == 6381, "extra vars of one load leaked"


def test_a_problem_in_an_extra_var_says_so() -> None:
    with pytest.raises(InventoryError) as caught:
        load([str(DATA / "good")], extra_vars=["first_port={{ nope }}"])
    assert {problem.reason for problem in caught.value.problems} == {"'nope' is undefined"}
    assert "<-e on the command line>" in {problem.where for problem in caught.value.problems}


def test_a_host_list_is_an_inventory_too() -> None:
    with pytest.raises(InventoryError, match="neither a group stores"):
        load(["a.example,b.example,"])


def test_a_vaulted_password_is_read_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    password_file, sources = tmp_path / "password", tmp_path / "hosts.yml"
    password_file.write_text("opensesame\n")
    command = [
        str(Path(sys.executable).parent / "ansible-vault"),
        "encrypt_string",
        "--vault-password-file",
        str(password_file),
        "hunter2hunter2",
    ]
    vaulted = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    cache = "{engine: redis, purpose: cache, port: 6381, memory: 64mb, password: '{{ vaulted }}'}"
    sources.write_text(
        f"stores:\n  hosts:\n    s1:\n      stores: {{shop-cache: {cache}}}\n"
        f"  vars:\n    vaulted: {vaulted.replace(chr(10), chr(10) + '      ').rstrip()}\n"
    )
    with pytest.raises(InventoryError, match="ANSIBLE_VAULT_PASSWORD_FILE"):
        load([str(sources)])
    monkeypatch.setattr(constants, "DEFAULT_VAULT_PASSWORD_FILE", str(password_file))
    fleet = load([str(sources)])
    assert fleet.stores["shop-cache"].spec.password == "hunter2hunter2"
    assert "hunter2" not in repr(fleet)
    assert "hunter2" not in json.dumps(fleet.as_dict())


def test_an_ipv6_endpoint_has_brackets() -> None:
    spec = load([str(DATA / "good")]).stores["shop-queue"].spec
    assert Store(spec, "s1", "fd00::1").endpoint == "[fd00::1]:6380"


def test_the_example_is_valid() -> None:
    fleet = load([str(ROOT / "inventories/example")])
    assert {bench: fleet.benches[bench].hosts for bench in fleet.benches} == {
        "shop": ("shop-web", "shop-workers"),
        "erp": ("erp-app",),
    }
    assert {store.host for store in fleet.stores.values()} == {"store1", "store2"}
    assert fleet.load_generators == ("load1",)


def test_without_any_inventory_the_message_says_how_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DEFAULT_HOST_LIST", ["/etc/ansible/hosts"])
    monkeypatch.setattr(inventory, "_ANSIBLE_DEFAULT", "/etc/ansible/hosts")
    monkeypatch.setattr(inventory, "collection", lambda: tmp_path)
    with pytest.raises(RefusedError, match="-i"):
        inventory.default_sources()
    (tmp_path / "inventories/local").mkdir(parents=True)
    assert inventory.default_sources() == (str(tmp_path / "inventories/local"),)
