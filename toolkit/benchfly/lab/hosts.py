"""What Ansible is told of a lab: an inventory and the key of its hosts, in a folder that only its owner can read."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from benchfly import paths
from benchfly.errors import RefusedError
from benchfly.lab.bed import LOAD_GENERATORS, STORES, TUNINGS, Bed, Machine, stores
from benchfly.lab.found import Instance, Lab

_KEY, _INVENTORY = "key", "hosts.yml"


def folder(lab: str) -> Path:
    """Where the files of a lab are, as long as it is up."""
    return paths.home() / "labs" / lab


def inventory(lab: str) -> Path:
    """Its inventory. Raises RefusedError where another controller has made the lab."""
    path = folder(lab) / _INVENTORY
    if not path.exists():
        remedy = f"Run it where the lab was made, or remove it with `benchfly lab down {lab}` and make one here"
        raise RefusedError(f"{path} is not here, nor the key of the hosts of {lab}. {remedy}.")
    return path


def make_key(lab: str) -> str:
    """Make a key for SSH; its public half. Raises RefusedError where ssh-keygen is not installed."""
    place = folder(lab)
    place.mkdir(mode=0o700, parents=True)
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", lab, "-f", str(place / _KEY)]
    try:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise RefusedError("There is no ssh-keygen here. Install openssh-client (Debian, Ubuntu) or openssh.") from None
    return (place / f"{_KEY}.pub").read_text()


def forget(lab: str) -> None:
    """Remove the folder, with the key."""
    shutil.rmtree(folder(lab), ignore_errors=True)


def write(lab: Lab, bed: Bed, machines: Mapping[str, Machine]) -> Path:
    """Write the inventory of a lab; `machines` has what its instance types are."""
    path = folder(lab.id) / _INVENTORY
    path.touch(mode=0o600)
    text = yaml.safe_dump(_inventory(lab, bed, machines), sort_keys=False, width=120)
    path.write_text(f"# Written by `benchfly lab`; `benchfly lab down {lab.id}` removes the hosts.\n---\n{text}")
    return path


def _inventory(lab: Lab, bed: Bed, machines: Mapping[str, Machine]) -> dict[str, Any]:
    machine = machines[bed.store_type]
    packages = sorted({bed.system.packages[engine] for engine in bed.engines if engine in bed.system.packages})
    return {
        "all": {
            "vars": {
                "ansible_user": bed.system.user,
                "ansible_ssh_private_key_file": f"{{{{ inventory_dir }}}}/{_KEY}",
                # A host's key is taken as it is first seen, and kept for this lab alone.
                "ansible_ssh_common_args": "-o 'UserKnownHostsFile=\"{{ inventory_dir }}/known_hosts\"' "
                "-o StrictHostKeyChecking=accept-new -o IdentitiesOnly=yes",
                "lab_tuning": TUNINGS[0],
                "lab_port": 6381,
                # Of one thread each, which make the load.
                "lab_processes": machines[bed.load_type].cpus,
                "lab_stores": stores(bed.engines, machine),
            },
            "children": {
                STORES: {
                    "hosts": _hosts(lab, STORES, "store", bed.private),
                    "vars": {
                        "ansible_become": True,
                        "ansible_memtotal_mb": machine.mib,
                        "stores": "{{ lab_stores[lab_tuning] }}",
                    },
                },
                LOAD_GENERATORS: {
                    "hosts": _hosts(lab, LOAD_GENERATORS, "load", bed.private),
                    "vars": {"load_generator_packages": packages},
                },
            },
        }
    }


def _hosts(lab: Lab, group: str, name: str, private: bool) -> dict[str, dict[str, str]]:
    members = sorted((each for each in lab.alive if each.group == group), key=lambda each: each.id)
    return {f"{name}{number}": _host(instance, private) for number, instance in enumerate(members, 1)}


def _host(instance: Instance, private: bool) -> dict[str, str]:
    return {
        "ansible_host": instance.address if private or not instance.public else instance.public,
        "lab_address": instance.address,
        "host_class": instance.type,
    }
