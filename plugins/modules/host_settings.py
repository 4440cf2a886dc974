#!/usr/bin/python
# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""Set the kernel of a host as declared, now and at boot, or put it back as it was."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_settings
author: The benchfly authors
version_added: 0.1.0
short_description: Set the kernel of a host as declared, now and at boot, or put it back as it was
description:
  - Writes one drop-in file per concern and sets the running kernel alike.
  - Keeps what was before in C(/var/lib/benchfly/host.json), once for each setting; what is declared no more goes back.
  - A setting that the kernel does not have or take, or that another file would overrule at boot, fails the module
    before anything is changed.
options:
  memory:
    description: &sysctls
      - Names and values of sysctls.
      - C(>= N) raises a lower value, C(<= N) lowers a higher one; a host that is there already stays as it is.
    type: dict
    default: {}
  network:
    description: *sysctls
    type: dict
    default: {}
  files:
    description: *sysctls
    type: dict
    default: {}
  transparent_hugepage:
    description: Who gets transparent huge pages; empty leaves it as it is.
    type: str
    choices: ["", always, madvise, never]
    default: ""
  state:
    description: V(absent) puts all back as it was.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: Says what would change. A value that the kernel would refuse is known only when it is tried.
    support: full
  diff_mode:
    description: Shows the running values and the files before and after.
    support: full
"""

EXAMPLES = r"""
- name: Let snapshots fork
  benchfly.stores.host_settings:
    memory:
      vm.overcommit_memory: 1
    network:
      net.core.somaxconn: ">= 4096"
"""

RETURN = r"""
settings:
  description:
    - Each declared setting as it was found, before any change. V(none) where there is no value.
    - C(drift) tells whether the next boot or the running kernel was not as declared.
  type: list
  elements: dict
  returned: always
  sample:
    - {setting: net.core.somaxconn, declared: ">= 4096", on_disk: "4096", running: "128", drift: true}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.benchfly.stores.plugins.module_utils.host_settings import (
    DROP_INS,
    HUGEPAGE,
    Found,
    Plan,
    SettingsError,
    drift,
    parse,
    plan,
    problems,
)
from ansible_collections.benchfly.stores.plugins.module_utils.host_settings_files import Host


def differences(found: Found, planned: Plan) -> list:
    """Before and after, of the running kernel and of each file."""
    answer = []
    if planned.running:
        before, after = (
            "".join("{0} = {1}\n".format(name, values[name]) for name in planned.running)
            for values in (found.running, planned.running)
        )
        answer.append({"before_header": "the kernel", "after_header": "the kernel", "before": before, "after": after})
    for path, file in planned.files.items():
        sides = {"before": found.ours[path], "after": file}
        entry = {side: content["text"] if content else "" for side, content in sides.items()}
        for side, content in sides.items():
            entry[side + "_header"] = "{0} ({1:04o})".format(path, content["mode"]) if content else path
        answer.append(entry)
    return answer


def main() -> None:
    sysctls = {"type": "dict", "default": {}}
    module = AnsibleModule(
        argument_spec={
            **dict.fromkeys(DROP_INS, sysctls),
            HUGEPAGE: {"type": "str", "choices": ["", "always", "madvise", "never"], "default": ""},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    host, rows = Host(), []
    try:
        settings = parse(module.params) if module.params["state"] == "present" else []
        found = host.find([setting.name for setting in settings])
        rows = drift(settings, found)
        planned = plan(settings, found)
        reasons = problems(settings, found, planned)
        if reasons:
            raise SettingsError("\n".join(reasons))
        changes = bool(planned.running or planned.files) or planned.journal != found.journal
        if changes and not module.check_mode:
            host.apply(found, planned)
    except SettingsError as error:
        module.fail_json(msg="Nothing was changed.\n{0}".format(error), settings=rows)
    except OSError as error:
        remedy = "Mend that and run again; store_host_state: absent puts the host back"
        module.fail_json(msg="{0}. {1}".format(error, remedy), settings=rows)
    module.exit_json(changed=changes, settings=rows, diff=differences(found, planned))


if __name__ == "__main__":
    main()
