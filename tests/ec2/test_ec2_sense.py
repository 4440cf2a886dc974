"""What a host on EC2 tells of itself, and which trials do not count there.

Instance metadata comes from a server of the test's own in the form of IMDSv2; the network devices are the kernel's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.benchfly.stores.plugins.filter.benchmark_load import benchmark_judge
from ansible_collections.benchfly.stores.plugins.module_utils import host_interrupts
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import environment, ethtool
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark.workload import RULES
from ansible_collections.benchfly.stores.plugins.module_utils.ec2_types import instance_type
from tests.ec2 import instance_types

METADATA = {
    "instance-type": "c7g.2xlarge",
    "ami-id": "ami-12345678",
    "instance-life-cycle": "spot",
    "placement/availability-zone-id": "euc1-az2",
}


@pytest.fixture
def metadata() -> Iterator[tuple[str, list[str]]]:
    """The address of a metadata service that knows IMDSv2 alone, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            assert self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
            self._answer(200, "a-token")

        def do_GET(self) -> None:
            name = self.path.removeprefix("/latest/meta-data/")
            asked.append(name)
            known = self.headers["X-aws-ec2-metadata-token"] == "a-token"
            self._answer(404 if name not in METADATA else 200 if known else 401, METADATA.get(name, ""))

        def _answer(self, code: int, text: str) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/latest/", asked
    server.shutdown()
    server.server_close()


def firmware(root: Path, vendor: str) -> Path:
    (root / "sys/class/dmi/id").mkdir(parents=True)
    (root / "sys/class/dmi/id/sys_vendor").write_text(f"{vendor}\n")
    return root


def test_instance_metadata(metadata: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service, asked = metadata
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # never through a proxy
    assert environment.instance(firmware(tmp_path / "other", "QEMU"), service) == {} and not asked
    amazon = firmware(tmp_path / "ec2", "Amazon EC2")
    assert environment.instance(amazon, service) == {
        "instance_type": "c7g.2xlarge",
        "image": "ami-12345678",
        "life_cycle": "spot",
        "zone": "euc1-az2",
        "placement_group": "",
    }
    assert environment.instance(amazon, "http://127.0.0.1:1/")["instance_type"].startswith("unknown")
    monkeypatch.setattr(environment, "_IMDS", service)
    assert environment.describe(tmp_path)["ec2"] == {}  # this root is no instance


ASK = """
import json, sys
from ansible_collections.benchfly.stores.plugins.module_utils.benchmark import ethtool
told = {name: [ethtool.driver(name), ethtool.queues(name), ethtool.statistics(name)] for name in ("a0", "a1", "none0")}
json.dump(told, sys.stdout)
"""


def test_network_devices_are_asked_as_ethtool_asks() -> None:
    """Two that the kernel makes in a namespace of the test's own; each counts among its statistics who its peer is."""
    make = "ip link add a0 numrxqueues 3 numtxqueues 3 index 70 type veth peer name a1 index 71"
    command = ["unshare", "--net", "sh", "-c", f'{make} && exec "$0" -c "$1"', sys.executable, ASK]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and ("not permitted" in done.stderr or "not found" in done.stderr):
        pytest.skip(f"no network namespace can be made here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [told["a0"][:2], told["none0"]] == [["veth", 3], ["", 0, {}]]
    assert (told["a0"][2]["peer_ifindex"], told["a1"][2]["peer_ifindex"]) == (71, 70)


def interrupts(root: Path, affinities: dict[str, str]) -> Path:
    """A host's files with one ENA device that has those interrupts; no kernel is behind them."""
    (root / "sys/class/net/ens5").mkdir(parents=True)
    rows = "".join(f" {number}: 1 0 PCI-MSIX ens5-Tx-Rx-{number}\n" for number in affinities)
    for number, cpus in affinities.items():
        (root / "proc/irq" / number).mkdir(parents=True)
        (root / "proc/irq" / number / "smp_affinity_list").write_text(f"{cpus}\n")
    (root / "proc/interrupts").write_text(f"  CPU0 CPU1\n{rows}")
    return root


def test_interrupts_are_spread_over_cpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ethtool, "driver", lambda device: "ena")
    root = interrupts(tmp_path, {"9": "0-7", "10": "1", "11": "0-7"})
    before = host_interrupts.found(root)
    assert before == {"9": "0-7", "10": "1", "11": "0-7"}
    changes = host_interrupts.plan(before, "0-1", 8)
    assert changes == {"9": "0", "11": "0"}  # the second has its CPU already
    host_interrupts.apply(changes, root)
    assert host_interrupts.plan(host_interrupts.found(root), "0-1", 8) == {}  # again is as once
    assert host_interrupts.plan(before, "all", 2) == {"9": "0", "11": "0"}
    assert host_interrupts.plan({}, "all", 2) == {}
    for wrong in ("2-8", "3-1"):
        with pytest.raises(host_interrupts.InterruptsError, match=f"{wrong} are none of the CPUs of the host.* 0-7"):
            host_interrupts.plan(before, wrong, 8)
    assert not host_interrupts.balanced(root)
    (root / "proc/12").mkdir()
    (root / "proc/12/comm").write_text("irqbalance\n")
    assert host_interrupts.balanced(root)


def judged(type_name: str, rules: tuple[str, ...] = RULES, **row: float) -> list[str]:
    """Why a trial does not count, in which the store's host, of that type, had those figures."""
    figures = {"cpu": 5.0, "steal": 0.0, "memory": 10.0, "clock_step": 0.0, "rx_bytes": 1e3, "tx_bytes": 1e3, **row}
    rows = [{"time": 100.0 + second, **figures} for second in range(10)]
    trial: dict[str, Any] = {"store": "s", "started": 100.0, "measurement": {"seconds": 9}, "cpu": [0.1], "invalid": []}
    samples = [{"host": "h", "role": "store", "store": "s", "rows": rows}]
    (found,) = benchmark_judge([trial], samples, rules, {"h": {"boot_id": "b", "instance_type": type_name}})
    return list(found["invalid"])


def test_what_is_lent_does_not_count() -> None:
    assert judged("t3.large") == [] and judged("t3.large", cpu=29) == []
    assert judged("t3.large", cpu=63) == [
        "the CPUs of h were busy for 63 %, and a t3.large has 30 % for ever; the rest was burst credits"
    ]
    assert judged("c7g.large", cpu=63) == []
    (reason,) = judged("c7g.large", tx_bytes=0.2e9)
    assert reason == "h had 1.6 Gbit/s, and a c7g.large has 0.937 for ever; the rest was burst credits"
    assert judged("c7g.4xlarge", tx_bytes=0.2e9) == judged("x9.huge", cpu=99, tx_bytes=9e9) == judged("", cpu=99) == []
    assert judged("x9.huge", held_back=12) == [
        "EC2 held back up to 12 packets a second of h, which was above its allowance"
    ]
    assert judged("t3.large", ("steal",), cpu=63, tx_bytes=9e9, held_back=12) == []


@pytest.mark.usefixtures("credentials")
def test_the_table_of_types_is_what_ec2_says(moto_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as moto has recorded the answers of AWS; the operator's own account may have newer ones."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server)
    rows = instance_types.rows("eu-central-1")
    text = instance_types.MODULE.read_text()
    assert all(f"\n{row}\n" in text for row in rows)
    assert all(instance_type(row.split()[0]) for row in rows) and len(rows) > 200
