"""Parts of a lab by themselves: what its hosts are told, what it has cost, and what is measured there."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from ansible_collections.benchfly.stores.plugins.module_utils import store_dragonfly, store_redis
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import parse

from benchfly.benchmark import Server, claims
from benchfly.cli.lab_words import lost
from benchfly.errors import RefusedError
from benchfly.lab import Lab
from benchfly.lab.bed import Machine, stores
from benchfly.lab.bill import Prices, spent
from benchfly.lab.expiry import UNIT, service, timer, user_data
from benchfly.lab.found import Instance
from benchfly.lab.suite import suite
from benchfly.lab.tags import Label

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
LABEL = Label("lab-0123ab", NOW - timedelta(hours=2), NOW + timedelta(hours=1), "arn:aws:iam::1:user/me")


def instance(name: str, hours: float, **more: object) -> Instance:
    launched = NOW - timedelta(hours=hours)
    given: dict[str, object] = {"state": "running", "spot": False, **more}
    return Instance(name, "stores", "c7g.2xlarge", "eu-central-1a", launched=launched, address="", public="", **given)  # type: ignore[arg-type]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")
def test_systemd_takes_the_timer(tmp_path: Path) -> None:
    (tmp_path / f"{UNIT}.service").write_text(service())
    (tmp_path / f"{UNIT}.timer").write_text(timer(NOW))
    command = ["systemd-analyze", "verify", "--man=no", f"{tmp_path}/{UNIT}.timer"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and UNIT not in done.stderr, done.stderr
    (when,) = (line.partition("=")[2] for line in timer(NOW).splitlines() if line.startswith("OnCalendar="))
    elapse = ["systemd-analyze", "calendar", "--base-time=2026-11-26 11:00:00 UTC", when]
    said = subprocess.run(
        elapse, capture_output=True, text=True, check=True, env={"TZ": "UTC", "PATH": "/usr/bin:/bin"}
    )
    assert "Thu 2026-11-26 12:00:00 UTC" in said.stdout


def test_cloud_init_is_told_of_both_units() -> None:
    text = user_data(NOW)
    assert text.startswith("#cloud-config\n") and len(text) < 16384
    told = yaml.safe_load(text)
    assert {file["path"]: file["content"] for file in told["write_files"]} == {
        f"/etc/systemd/system/{UNIT}.service": service(),
        f"/etc/systemd/system/{UNIT}.timer": timer(NOW),
    }
    assert ["systemctl", "enable", "--now", f"{UNIT}.timer"] in told["runcmd"]


def test_what_a_lab_has_cost() -> None:
    known = Prices({"c7g.2xlarge": 0.5}, "a list")
    ended = instance("i-2", 2, state="terminated", ended=NOW - timedelta(hours=1))
    assert spent(Lab(LABEL, (instance("i-1", 2), ended)), known, NOW) == pytest.approx(1.5)
    assert spent(Lab(LABEL, (instance("i-1", 0),)), known, NOW) == pytest.approx(0.5 / 60)  # a minute at least
    assert spent(Lab(LABEL, (instance("i-1", 2, state="terminated"),)), known, NOW) is None
    assert spent(Lab(LABEL, (instance("i-1", 2),)), Prices({}, ""), NOW) is None


def test_tags_that_somebody_spoiled_let_a_lab_expire() -> None:
    (specification,) = LABEL.specifications("instance")
    tags = {tag["Key"]: tag["Value"] for tag in specification["Tags"]}
    assert Label.read(tags) == LABEL
    assert Label.read({**tags, "benchfly:expires": "never"}).expires < NOW


def test_a_host_that_is_gone_is_said_to_be() -> None:
    lab = Lab(LABEL, (instance("i-1", 1), instance("i-2", 1)))
    assert lost(lab, lab) == ""
    taken = instance("i-1", 1, state="terminated", spot=True, why="Server.SpotInstanceTermination")
    assert lost(lab, Lab(LABEL, (taken, lab.instances[1]))) == (
        "EC2 took back i-1 (stores), a spot instance. What was measured is kept; run it again, or without --spot."
    )
    off = instance("i-2", 1, state="shutting-down", why="Client.InstanceInitiatedShutdown")
    said = "i-2 (stores) has ended (Client.InstanceInitiatedShutdown). What was measured is kept."
    assert lost(lab, Lab(LABEL, (lab.instances[0], off))) == said
    assert lost(lab, None).startswith("i-1 (stores), i-2 (stores) has ended (EC2 does not say why)")


def test_stores_fit_their_machine() -> None:
    """Both together, with what each may take beyond its data, and a CPU for each thread where there are several."""
    for cpus, mib in ((1, 2048), (2, 1024), (8, 16384), (64, 131072)):
        machine = Machine("some", "arm64", cpus, mib, clusters=True)
        for found in stores(("redis", "dragonfly"), machine).values():
            sizes = [int(store["memory"].removesuffix("mb")) for store in found.values()]
            assert sum(sizes) * 1.25 <= 0.9 * mib
            several = [store["threads"] for store in found.values() if store["threads"] > 1]
            assert sum(several) <= cpus
            assert found["dragonfly"]["threads"] * 256 <= sizes[1]


def test_the_claims_know_which_stores_are_tuned() -> None:
    machine = Machine("some", "arm64", 8, 16384, clusters=True)
    for tuning, found in stores(("redis", "dragonfly"), machine).items():
        given = {"port": 6381, "bind": "10.0.0.4", "address": "10.0.0.4"}
        redis, dragonfly = (parse(name, {**store, **given}) for name, store in found.items())
        written = [store_redis.directives(redis, "7.0.15"), store_dragonfly.flags(dragonfly, "1.40.1", "/srv")]
        servers = [Server("x", "10.0.0.4:6381", "x", "x", 0, settings=dict(each)) for each in written]
        assert [claims.tuned(server, machine.cpus) for server in servers] == [tuning == "tuned"] * 2


def test_the_suite_has_every_workload_of_the_claims() -> None:
    measured = {benchmark.workload for benchmark in suite()}
    assert {name for claim in claims.published()[1] for name in claim.workloads} <= measured
    # Three rounds and three points of two stores, each twice, of 180 s and what a trial takes besides.
    (churn,) = suite(["session-churn"], ["untuned"])
    assert churn.longest(stores=2, scale=1) == 9 * 2 * 2 * 190
    with pytest.raises(RefusedError, match=r"--workload: there is no churn\. Known are frappe-site, session-churn"):
        suite(["churn"])
    with pytest.raises(RefusedError, match="--tuning: there is no fast"):
        suite(tunings=["fast"])
