"""Writes the table of plugins/module_utils/ec2_types.py anew: `python -m tests.ec2.instance_types [REGION]`.

It asks EC2's DescribeInstanceTypes with the credentials of the AWS tools. The table in the repository came from the
answers of AWS that moto 5.2.5 has recorded, and the tests hold it against them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchfly import aws

MODULE = Path(__file__).parents[2] / "plugins/module_utils/ec2_types.py"
# What stores, benches and load generators of Frappe run on; any other type is unknown, and nothing is said of it.
FAMILIES = tuple(
    "t3 t3a t4g m5 m6i m6a m6g m7i m7a m7g m8g c5 c6i c6a c6g c7i c7a c7g c8g r5 r6i r6a r6g r7i r7a r7g r8g".split()  # noqa: SIM905
)


def row(found: Mapping[str, Any]) -> str:
    """One line of the table."""
    card = found["NetworkInfo"]["NetworkCards"][0]
    figures = (
        found["VCpuInfo"]["DefaultVCpus"],
        found["MemoryInfo"]["SizeInMiB"],
        card["BaselineBandwidthInGbps"],
        card["PeakBandwidthInGbps"],
    )
    return " ".join(
        [found["InstanceType"], *(f"{figure:g}" if isinstance(figure, float) else str(figure) for figure in figures)]
    )


def rows(region: str | None = None) -> list[str]:
    """The table, as EC2 says today."""
    wanted = [{"Name": "instance-type", "Values": [f"{family}.*" for family in FAMILIES]}]
    with aws.client("ec2", region=region, what="types of instances") as ec2:
        pages = ec2.get_paginator("describe_instance_types").paginate(Filters=wanted)
        found = [each for page in pages for each in page["InstanceTypes"]]
    found.sort(
        key=lambda each: (
            FAMILIES.index(each["InstanceType"].partition(".")[0]),
            each["VCpuInfo"]["DefaultVCpus"],
            each["MemoryInfo"]["SizeInMiB"],
        )
    )
    return [row(each) for each in found if not each["BareMetal"]]


if __name__ == "__main__":
    table = "\n".join(rows(*sys.argv[1:2]))
    text = MODULE.read_text()
    MODULE.write_text(
        re.sub(r'(_TABLE = """\n).*?("""\n)', lambda old: f"{old[1]}{table}\n{old[2]}", text, flags=re.DOTALL)
    )
