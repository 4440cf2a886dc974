"""Secrets by reference, from Vault and from AWS, reach their servers alone: all other output is searched for them."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
import yaml
from tests.ec2 import fleet
from tests.ec2.conftest import REGION
from tests.stores.servers import free_port
from tests.stores.supervised import supervisord

from benchfly.errors import InventoryError
from benchfly.fleet.loader import load

pytestmark = pytest.mark.stores

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
BUCKET = "kept-of-runs"


@dataclass(frozen=True)
class Scene:
    """A host whose stores have their secrets elsewhere; `planted` are those, and `said` all that was printed."""

    folder: Path
    inventory: Path
    ports: dict[str, int]
    planted: dict[str, str]
    said: list[str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "BENCHFLY_HOME": str(self.folder / "home"),
            "ANSIBLE_VAULT_PASSWORD_FILE": str(self.folder / "vault-password"),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(self.folder / "tmp"),
            "BENCHFLY_S3": f"s3://{BUCKET}",
        }
        done = subprocess.run(
            [BIN / words[0], *words[1:]], env=environment, cwd=self.folder, capture_output=True, text=True, check=False
        )
        self.said.append(done.stdout + done.stderr)
        return done


def key_and_certificate(folder: Path) -> tuple[str, str]:
    """Of a pair made here, with a private key of PEM's two outer lines and some between."""
    files = folder / "a.key", folder / "a.crt"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    subprocess.run([*command, "-keyout", files[0], "-out", files[1]], check=True, capture_output=True)
    key, certificate = (file.read_text() for file in files)
    files[0].unlink()
    return key, certificate


@pytest.fixture
def scene(account: str, tmp_path: Path) -> Iterator[Scene]:
    for binary in ("redis-server", "openssl"):
        if shutil.which(binary) is None:
            pytest.skip(f"{binary} is not installed")
    planted = {name: secrets.token_hex(16) for name in ("vault", "ssm", "member")}
    planted["key"], certificate = key_and_certificate(tmp_path)
    fleet.keep_password(REGION, planted["ssm"])
    keeper = fleet.operator("secretsmanager", REGION)
    keeper.create_secret(Name="benchfly/erp", SecretString=json.dumps({"password": planted["member"]}))
    keeper.create_secret(Name="benchfly/tls", SecretString=planted["key"])
    fleet.operator("s3", "us-east-1").create_bucket(Bucket=BUCKET)
    (tmp_path / "vault-password").write_text("of the vault")
    vault = [str(BIN / "ansible-vault"), "encrypt_string", "--vault-password-file", str(tmp_path / "vault-password")]
    encrypted = subprocess.run([*vault, planted["vault"]], capture_output=True, text=True, check=True).stdout
    reference = "{{ lookup('benchfly.stores.aws_secret', '%s') }}"
    with supervisord() as host:
        ports = {name: free_port() for name in ("vault", "ssm", "member")}
        stores = {
            name: {"engine": "redis", "purpose": "cache", "port": ports[name], "memory": "64mb"} for name in ports
        }
        passwords = {
            "vault": "{{ vaulted }}",
            "ssm": reference % f"ssm:{fleet.PASSWORD}",
            "member": reference % "secretsmanager:benchfly/erp#password",
        }
        for name, given in stores.items():
            given["password"] = passwords[name]
        stores["member"] |= {f"tls_{kind}_file": f"{host}/stores/member/tls.{kind}" for kind in ("cert", "key")}
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "store_service_process_manager": "supervisor",
            "store_service_base_dir": f"{host}/stores",
            "store_service_supervisor_socket": f"{host}/supervisor.sock",
            "store_service_supervisor_config_dir": f"{host}/supervisor.d",
            "redis_install": "none",
            "stores": stores,
            "store_service_files": {
                "member": {"tls.cert": certificate, "tls.key": reference % "secretsmanager:benchfly/tls"}
            },
        }
        inventory = tmp_path / "inventory.yml"
        text = yaml.safe_dump({"stores": {"hosts": {"here": variables}}}, width=1000)
        inventory.write_text(f"{text}  vars:\n    vaulted: {indented(encrypted)}\n")
        yield Scene(tmp_path, inventory, ports, planted, [])


def indented(encrypted: str) -> str:
    head, *lines = encrypted.strip().splitlines()
    return "\n".join([head, *(f"      {line.strip()}" for line in lines)])


def found_in(text: str, planted: dict[str, str]) -> list[str]:
    """Which secrets a text has, in clear or as JSON or YAML would write them; of a key any of its lines."""
    words = {name: [secret] for name, secret in planted.items()}
    words["key"] = [line for line in planted["key"].splitlines() if re.fullmatch(r"[\w+/=]{40,}", line)]
    return [name for name, parts in words.items() if any(part in text for part in parts)]


def test_no_output_has_a_secret(scene: Scene) -> None:
    inventory = ["-i", str(scene.inventory)]
    runs = (
        ("inventory", *inventory, "--json"),
        ("deploy", *inventory, "--check", "--diff"),
        ("deploy", *inventory, "--yes", "--diff", "-vvv"),
    )
    for words in runs:
        done = scene.run("benchfly", *words)
        assert done.returncode == 0, (words, done.stdout[-3000:], done.stderr[-3000:])
    # Each secret is where it belongs: its server takes it, and the port with the key speaks TLS.
    for name in ("vault", "ssm"):
        with redis.Redis(port=scene.ports[name], password=scene.planted[name]) as client:
            assert client.ping()
    secure = {"ssl": True, "ssl_cert_reqs": ssl.CERT_NONE, "ssl_check_hostname": False}
    with redis.Redis(port=scene.ports["member"], password=scene.planted["member"], **secure) as client:
        assert client.ping()
    # What the controller printed, what it keeps, and what it put into the bucket.
    for words, said in zip(runs, scene.said, strict=True):
        assert found_in(said, scene.planted) == [], words
    kept = [path for path in scene.folder.rglob("*") if path.is_file()]
    assert {"outcome.json", "ansible.log"} <= {path.name for path in kept}
    for path in kept:
        assert found_in(path.read_text(errors="replace"), scene.planted) == [], path
    client = fleet.operator("s3", REGION)
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert any(key.endswith("outcome.json") for key in keys)
    for key in keys:
        assert found_in(client.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode(), scene.planted) == [], key


def test_a_secret_that_cannot_be_had_is_named(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(scene.folder / "vault-password"))
    for reference, said in {
        "ssm:/benchfly/none": r"ssm:/benchfly/none: ssm refused GetParameter \(ParameterNotFound\).*no such thing",
        "secretsmanager:none": r"secretsmanager refused GetSecretValue \(ResourceNotFoundException\)",
        "secretsmanager:benchfly/erp#user": r"the secret has no text user. Correct its name",
        "secretsmanager:benchfly/tls#key": r"the secret is no JSON. Leave out #key",
        "ssm:/a#b": r"names no secret. Say ssm:NAME, secretsmanager:NAME",
        "vault:x": r"names no secret. Say ssm:NAME, secretsmanager:NAME",
    }.items():
        stores = {"a": {"engine": "redis", "purpose": "cache", "port": 6379, "memory": "64mb"}}
        stores["a"]["password"] = f"{{{{ lookup('benchfly.stores.aws_secret', '{reference}') }}}}"
        scene.inventory.write_text(yaml.safe_dump({"stores": {"hosts": {"here": {"stores": stores}}}}))
        with pytest.raises(InventoryError, match=f"(?s)stores.a.password: .*{said}") as raised:
            load([str(scene.inventory)])
        assert found_in(str(raised.value), scene.planted) == []
