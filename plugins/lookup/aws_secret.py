# Copyright (c) 2026 The benchfly authors
# MIT License (see LICENSE)
"""A secret by reference, from AWS's Parameter Store or Secrets Manager."""

from __future__ import annotations

DOCUMENTATION = r"""
name: aws_secret
author: The benchfly authors
version_added: 0.1.0
short_description: Read a secret from Parameter Store or Secrets Manager
description:
  - The password of a store, or the private key of its certificate, stays in AWS; an inventory has its name alone.
  - A process asks for each secret once, however many hosts have it. Nothing of it is written anywhere.
  - Needs the Python package C(benchfly) where Ansible runs.
options:
  _terms:
    description:
      - V(ssm:NAME) for a parameter, which is decrypted, or V(secretsmanager:NAME) for a secret.
      - V(secretsmanager:NAME#KEY) is one member of a secret that is a JSON object.
    required: true
  region:
    description: Region that has it; by default that of the AWS tools, such as E(AWS_REGION).
    type: str
  profile:
    description: Profile of C(~/.aws/config) for the credentials; by default that of the AWS tools.
    type: str
"""

EXAMPLES = r"""
# In group_vars/stores.yml
store_password: "{{ lookup('benchfly.stores.aws_secret', 'ssm:/benchfly/store_password') }}"
erp_password: "{{ lookup('benchfly.stores.aws_secret', 'secretsmanager:benchfly/erp#password', region='eu-west-1') }}"
"""

RETURN = r"""
_raw:
  description: The secrets, in the order of their names.
  type: list
  elements: str
"""

import json
from functools import cache
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

_FORMS = "Say ssm:NAME, secretsmanager:NAME or secretsmanager:NAME#KEY"


class LookupModule(LookupBase):
    """What Ansible loads."""

    def run(self, terms: list[Any], variables: Any = None, **options: Any) -> list[str]:
        self.set_options(var_options=variables, direct=options)
        return [_secret(str(term), self.get_option("region"), self.get_option("profile")) for term in terms]


@cache
def _secret(term: str, region: str | None, profile: str | None) -> str:
    try:
        from benchfly import aws
        from benchfly.errors import AwsError
    except ImportError as error:
        raise AnsibleLookupError(
            f"aws_secret needs benchfly where Ansible runs: pip install benchfly ({error})"
        ) from error
    service, _, rest = term.partition(":")
    name, _, key = rest.partition("#")
    if service not in ("ssm", "secretsmanager") or not name or (key and service == "ssm"):
        raise AnsibleLookupError(f"{term!r} names no secret. {_FORMS}")
    try:
        with aws.client(service, region=region, profile=profile, what=term) as client:
            if service == "ssm":
                return str(client.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
            text = client.get_secret_value(SecretId=name).get("SecretString")
    except AwsError as error:
        raise AnsibleLookupError(str(error)) from error
    if text is None:
        raise AnsibleLookupError(f"{term}: the secret is binary. Store it as a text")
    return _member(str(text), key, term) if key else str(text)


def _member(text: str, key: str, term: str) -> str:
    """One member of a secret; what a secret holds is never part of a message."""
    try:
        found = json.loads(text)
    except ValueError:
        raise AnsibleLookupError(f"{term}: the secret is no JSON. Leave out #{key}, or store an object") from None
    if not isinstance(found, dict) or not isinstance(found.get(key), str):
        raise AnsibleLookupError(f"{term}: the secret has no text {key}. Correct its name, or add it to the secret")
    return str(found[key])
