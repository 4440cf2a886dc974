"""Reads any Ansible inventory through Ansible's own loader: groups, hosts, templated variables and where each stands.

What is wrong is collected in `problems`, so that a caller can report all of it at once.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ansible import constants as ansible_config  # type: ignore[import-untyped]
from ansible import context
from ansible._internal._datatag._tags import Origin, TrustedAsTemplate  # type: ignore[import-untyped]
from ansible._internal._display_utils import DeferredWarningContext  # type: ignore[import-untyped]
from ansible.errors import AnsibleError  # type: ignore[import-untyped]
from ansible.inventory.manager import InventoryManager  # type: ignore[import-untyped]
from ansible.module_utils._internal._datatag import AnsibleTagHelper  # type: ignore[import-untyped]
from ansible.parsing.dataloader import DataLoader  # type: ignore[import-untyped]
from ansible.parsing.vault import VaultSecretsContext, get_file_vault_secret  # type: ignore[import-untyped]
from ansible.plugins.loader import init_plugin_loader  # type: ignore[import-untyped]
from ansible.template import Templar  # type: ignore[import-untyped]
from ansible.utils.context_objects import CLIArgs  # type: ignore[import-untyped]
from ansible.utils.path import unfrackpath  # type: ignore[import-untyped]
from ansible.utils.vars import load_extra_vars  # type: ignore[import-untyped]
from ansible.vars.manager import VariableManager  # type: ignore[import-untyped]
from ansible_collections.benchfly.stores.plugins.module_utils import ec2_tags

from benchfly.errors import Problem, RefusedError
from benchfly.paths import collection

_ANSIBLE_DEFAULT = "/etc/ansible/hosts"
_ALL = "all"
_ORIGIN = re.compile(r"Origin: (?P<path>.+?)(?P<line>:\d+)?(:\d+)?(\n|$)")
# For sources of the plugin amazon.aws.aws_ec2, which can fail with nothing wrong in the file.
_OF_EC2 = 'Check the credentials, the region and the network; the plugin comes with pip install "benchfly[ec2]"'
# What Ansible says before it says why, and what its plugin for plugins says of any other YAML file.
_NO_REASONS = ("Failed to parse inventory", "no root 'plugin' key", "Unable to parse")


def default_sources() -> tuple[str, ...]:
    """The inventory when none is named: Ansible's own choice, else inventories/local of the checkout.

    Raises RefusedError when there is neither.
    """
    configured = tuple(str(source) for source in ansible_config.DEFAULT_HOST_LIST)
    if configured != (_ANSIBLE_DEFAULT,) or Path(_ANSIBLE_DEFAULT).exists():
        return configured
    local = collection() / "inventories/local"
    if local.is_dir():
        return (str(local),)
    raise RefusedError("No inventory. Name one with -i, with ANSIBLE_INVENTORY, or in ansible.cfg.")


class Inventory:
    """One or more inventory sources, read as ansible-playbook would read them; extra_vars are its `-e` options."""

    def __init__(self, sources: Sequence[str], extra_vars: Sequence[str] = ()) -> None:
        _init_plugins()
        # Absolute, as Ansible's own commands make them: it looks for group_vars beside them. A host list has a comma.
        self.sources = tuple(source if "," in source else unfrackpath(source, follow=False) for source in sources)
        self.problems: list[Problem] = []
        self._loader = DataLoader()
        # Variables beside the playbooks count, as they do under ansible-playbook.
        self._loader.set_basedir(str(collection() / "playbooks"))
        self._cache: dict[str, Mapping[str, Any]] = {}
        self._manager = _Manager(loader=self._loader, sources=list(self.sources), parse=False)
        with DeferredWarningContext(variables={}) as warnings:
            try:
                _unlock_vaults(self._loader)
                self._variables = _variables(self._loader, self._manager, extra_vars)
                self._manager.parse_sources()
            except AnsibleError as error:
                self._refuse(error, _ALL, "inventory")
        for source in self._manager.unread:
            self._refuse_source(source, warnings.get_warnings())

    def hosts(self, group: str) -> tuple[str, ...]:
        """Hosts of a group and of the groups below it; none when there is no such group."""
        found = self._manager.groups.get(group)
        return tuple(host.name for host in found.get_hosts()) if found else ()

    def children(self, group: str) -> tuple[str, ...]:
        """Groups directly below a group."""
        found = self._manager.groups.get(group)
        return tuple(child.name for child in found.child_groups) if found else ()

    def variables(self, host: str) -> Mapping[str, Any]:
        """All variables of a host, not yet templated."""
        if host not in self._cache:
            self._cache[host] = {}
            if host not in self._manager.hosts:
                return {}
            try:
                with DeferredWarningContext(variables={}):
                    self._cache[host] = self._variables.get_vars(host=self._manager.get_host(host))
            except AnsibleError as error:  # a file in group_vars or host_vars that cannot be read
                self._refuse(error, host, "variables")
        return self._cache[host]

    def value(self, host: str, key: str) -> Any:
        """A variable of a host, templated and plain; None when it is absent or when templating it is a problem."""
        return self.template(host, key, self.variables(host).get(key))

    def template(self, host: str, key: str, value: Any) -> Any:
        """A value from the variables of a host, templated and plain; None when that is a problem, noted under `key`."""
        known = len(self.problems)
        templar = Templar(loader=self._loader, variables=self.variables(host))
        result = self._template(templar, host, key, value)
        return result if len(self.problems) == known else None

    def refuse(self, host: str, key: str, reason: str, remedy: str) -> None:
        """Note a problem with a dotted key of a host."""
        self.problems.append(Problem(self.where(host, key), host, key, reason, remedy))

    def where(self, host: str, key: str) -> str:
        """file:line of a dotted key of a host, or of the nearest thing above it; else the source of the host.

        What came from a tag of an instance of EC2 stands there.
        """
        found: Any = self.variables(host)
        tag = ec2_tags.tag_of(found.get(ec2_tags.VARIABLE) or {}, key)
        if tag:
            return self.tag_place(host, tag)
        places: list[str | None] = []
        for part in key.split("."):
            if not isinstance(found, Mapping) or part not in found:
                break
            name = next(name for name in found if name == part)
            found = found[part]
            places = [_origin(name), _origin(found), *places]
        return next(filter(None, places), None) or self._source_of(host)

    def tag_place(self, host: str, tag: str) -> str:
        """Where a tag of an instance of EC2 stands, or should stand."""
        return f"{self.variables(host).get('ec2_instance_id', host)}, tag {tag}"

    def _source_of(self, host: str) -> str:
        known = self._manager.hosts.get(host)
        source = known.vars.get("inventory_file") if known else None
        return _shown(source) if source else self.source

    @property
    def source(self) -> str:
        """The inventory as a whole, for a problem that has no better place."""
        return ", ".join(_shown(source) for source in self.sources) or "inventory"

    def _template(self, templar: Templar, host: str, key: str, value: Any) -> Any:
        # Every leaf on its own, so that one undefined variable does not hide the next.
        if isinstance(value, Mapping):
            items = {AnsibleTagHelper.untag(name): item for name, item in value.items()}
            return {name: self._template(templar, host, f"{key}.{name}", item) for name, item in items.items()}
        if isinstance(value, list):
            return [self._template(templar, host, f"{key}[{n}]", item) for n, item in enumerate(value)]
        try:
            with DeferredWarningContext(variables={}):
                result = templar.template(value)
        except AnsibleError as error:
            self._refuse(error, host, key)
            return None
        if result is not value and isinstance(result, Mapping | list):
            return self._template(templar, host, key, result)
        return AnsibleTagHelper.untag(result)

    def _refuse(self, error: AnsibleError, host: str, key: str) -> None:
        reason = " ".join(str(error.message).split()).rstrip(".")
        remedy = "Define it, or correct its name" if "undefined" in reason else "Correct it and try again"
        if "vault" in reason.lower() or "decrypt" in reason.lower():
            remedy = "Name the vault password's file in ANSIBLE_VAULT_PASSWORD_FILE or in ansible.cfg"
        place = next(filter(None, (_origin(getattr(cause, "obj", None)) for cause in _causes(error))), None)
        self.problems.append(Problem(place or self.where(host, key), host, key, reason, remedy))

    def _refuse_source(self, source: str, warnings: Sequence[Any]) -> None:
        where, reason, remedy = source, "is no inventory that Ansible can read", "Correct it, or move it elsewhere"
        if not Path(source).exists():
            reason, remedy = "does not exist", "Correct the path given with -i"
        elif Path(source).is_dir():
            reason, remedy = "has no inventory in it", "Add a file with hosts, such as hosts.yml"
        else:
            where, reason = _complaint(source, warnings) or (where, reason)
            remedy = _OF_EC2 if source.endswith(("aws_ec2.yml", "aws_ec2.yaml")) else remedy
        self.problems.append(Problem(_shown(where), _ALL, "inventory", reason, remedy))


class _Manager(InventoryManager):  # type: ignore[misc]
    """Remembers the sources that no plugin could read; Ansible itself only warns, and goes on without their hosts."""

    def __init__(self, **options: Any) -> None:
        self.unread: list[str] = []
        super().__init__(**options)

    def parse_source(self, source: str, cache: bool = False) -> bool:
        unread_before = len(self.unread)
        parsed = bool(super().parse_source(source, cache))
        if not parsed and len(self.unread) == unread_before:  # a folder is not to blame for a file in it
            self.unread.append(str(source))
        return parsed


def _complaint(source: str, warnings: Sequence[Any]) -> tuple[str, str] | None:
    """Where and why Ansible could not read a source: the first thing worth saying among what its plugins complained."""
    for warning in warnings:
        events = [event for event in _chain(warning.event) if not event.msg.startswith(_NO_REASONS)]
        places = [event.formatted_source_context or "" for event in _chain(warning.event)]
        if events and any(source in place for place in places):
            lines = (match["line"] for place in places if (match := _ORIGIN.match(place)) and match["path"] == source)
            return source + next(filter(None, lines), ""), " ".join(events[0].msg.split()).rstrip(".")
    return None


def _chain(event: Any) -> Iterator[Any]:
    while event:
        yield event
        event = event.chain.event if event.chain else None


def _variables(loader: Any, manager: InventoryManager, extra_vars: Sequence[str]) -> Any:
    """Ansible's variable manager, which takes extra vars from its global command line only."""
    tag = (Origin(description="<-e on the command line>"), TrustedAsTemplate())
    context.CLIARGS = CLIArgs({"extra_vars": tuple(AnsibleTagHelper.tag(text, tag) for text in extra_vars)})
    load_extra_vars.extra_vars = None  # it keeps the first answer for the life of the process
    return VariableManager(loader=loader, inventory=manager)


def _unlock_vaults(loader: Any) -> None:
    """Give Ansible the vault passwords it is configured with (files and scripts; nobody is asked)."""
    names = list(ansible_config.DEFAULT_VAULT_IDENTITY_LIST)
    if ansible_config.DEFAULT_VAULT_PASSWORD_FILE:
        names.append(ansible_config.DEFAULT_VAULT_PASSWORD_FILE)
    secrets = []
    for name in names:
        identity, _, file = str(name).rpartition("@")
        secret = get_file_vault_secret(filename=file, vault_id=identity, loader=loader)
        secret.load()
        secrets.append((identity or ansible_config.DEFAULT_VAULT_IDENTITY, secret))
    loader.set_vault_secrets(secrets)  # for whole files
    if VaultSecretsContext.current(optional=True) is None:  # for values; there is one for the life of the process
        VaultSecretsContext.initialize(VaultSecretsContext([]))
    VaultSecretsContext.current().secrets = secrets


@cache
def _init_plugins() -> None:
    init_plugin_loader()
    # Where Python alone has imported our collection before, Ansible misses what it keeps with those that it imports,
    # and finds no filter and no lookup in it. What meta/runtime.yml says is of no concern here.
    package = import_module("ansible_collections.benchfly.stores")
    if not hasattr(package, "_collection_meta"):
        package._collection_meta = {}  # type: ignore[attr-defined]
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{package.__name__}.") and hasattr(module, "__path__") and not module.__file__:
            module.__file__ = str(Path(next(iter(module.__path__))) / "__synthetic__")  # as Ansible calls it


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__


def _origin(value: Any) -> str | None:
    """file:line where a value stands, as far as Ansible knows."""
    origin = value if isinstance(value, Origin) else Origin.get_tag(value)
    if not origin:
        return None
    if not origin.path:
        return str(origin.description)
    return _shown(origin.path) + (f":{origin.line_num}" if origin.line_num else "")


def _shown(path: str) -> str:
    """A path as people would type it here."""
    here = f"{Path.cwd()}/"
    return path.removeprefix(here)
