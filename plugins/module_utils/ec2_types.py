"""What types of EC2 instances have: CPUs, memory, and what of CPU and network they have for ever.

Sources: the table is what EC2's DescribeInstanceTypes answers, as moto 5.2.5 has recorded it; `python -m
tests.ec2.instance_types` writes it anew from an account. The shares of CPU are those of the EC2 User Guide,
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-credits-baseline-concepts.html (as of 2026-09-29).
"""

from __future__ import annotations

from dataclasses import dataclass

# Type, CPUs, memory in MiB, bandwidth for ever and at most in Gbit/s.
_TABLE = """
t3.nano 2 512 0.032 5
t3.micro 2 1024 0.064 5
t3.small 2 2048 0.128 5
t3.medium 2 4096 0.256 5
t3.large 2 8192 0.512 5
t3.xlarge 4 16384 1.024 5
t3.2xlarge 8 32768 2.048 5
t3a.nano 2 512 0.032 5
t3a.micro 2 1024 0.064 5
t3a.small 2 2048 0.128 5
t3a.medium 2 4096 0.256 5
t3a.large 2 8192 0.512 5
t3a.xlarge 4 16384 1.024 5
t3a.2xlarge 8 32768 2.048 5
t4g.nano 2 512 0.032 5
t4g.micro 2 1024 0.064 5
t4g.small 2 2048 0.128 5
t4g.medium 2 4096 0.256 5
t4g.large 2 8192 0.512 5
t4g.xlarge 4 16384 1.024 5
t4g.2xlarge 8 32768 2.048 5
m5.large 2 8192 0.75 10
m5.xlarge 4 16384 1.25 10
m5.2xlarge 8 32768 2.5 10
m5.4xlarge 16 65536 5 10
m5.8xlarge 32 131072 10 10
m5.12xlarge 48 196608 12 12
m5.16xlarge 64 262144 20 20
m5.24xlarge 96 393216 25 25
m6i.large 2 8192 0.781 12.5
m6i.xlarge 4 16384 1.562 12.5
m6i.2xlarge 8 32768 3.125 12.5
m6i.4xlarge 16 65536 6.25 12.5
m6i.8xlarge 32 131072 12.5 12.5
m6i.12xlarge 48 196608 18.75 18.75
m6i.16xlarge 64 262144 25 25
m6i.24xlarge 96 393216 37.5 37.5
m6i.32xlarge 128 524288 50 50
m6a.large 2 8192 0.781 12.5
m6a.xlarge 4 16384 1.562 12.5
m6a.2xlarge 8 32768 3.125 12.5
m6a.4xlarge 16 65536 6.25 12.5
m6a.8xlarge 32 131072 12.5 12.5
m6a.12xlarge 48 196608 18.75 18.75
m6a.16xlarge 64 262144 25 25
m6a.24xlarge 96 393216 37.5 37.5
m6a.32xlarge 128 524288 50 50
m6a.48xlarge 192 786432 50 50
m6g.medium 1 4096 0.5 10
m6g.large 2 8192 0.75 10
m6g.xlarge 4 16384 1.25 10
m6g.2xlarge 8 32768 2.5 10
m6g.4xlarge 16 65536 5 10
m6g.8xlarge 32 131072 12 12
m6g.12xlarge 48 196608 20 20
m6g.16xlarge 64 262144 25 25
m7i.large 2 8192 0.781 12.5
m7i.xlarge 4 16384 1.562 12.5
m7i.2xlarge 8 32768 3.125 12.5
m7i.4xlarge 16 65536 6.25 12.5
m7i.8xlarge 32 131072 12.5 12.5
m7i.12xlarge 48 196608 18.75 18.75
m7i.16xlarge 64 262144 25 25
m7i.24xlarge 96 393216 37.5 37.5
m7i.48xlarge 192 786432 50 50
m7a.medium 1 4096 0.39 12.5
m7a.large 2 8192 0.781 12.5
m7a.xlarge 4 16384 1.562 12.5
m7a.2xlarge 8 32768 3.125 12.5
m7a.4xlarge 16 65536 6.25 12.5
m7a.8xlarge 32 131072 12.5 12.5
m7a.12xlarge 48 196608 18.75 18.75
m7a.16xlarge 64 262144 25 25
m7a.24xlarge 96 393216 37.5 37.5
m7a.32xlarge 128 524288 50 50
m7a.48xlarge 192 786432 50 50
m7g.medium 1 4096 0.52 12.5
m7g.large 2 8192 0.937 12.5
m7g.xlarge 4 16384 1.876 12.5
m7g.2xlarge 8 32768 3.75 15
m7g.4xlarge 16 65536 7.5 15
m7g.8xlarge 32 131072 15 15
m7g.12xlarge 48 196608 22.5 22.5
m7g.16xlarge 64 262144 30 30
m8g.medium 1 4096 0.52 12.5
m8g.large 2 8192 0.937 12.5
m8g.xlarge 4 16384 1.875 12.5
m8g.2xlarge 8 32768 3.75 15
m8g.4xlarge 16 65536 7.5 15
m8g.8xlarge 32 131072 15 15
m8g.12xlarge 48 196608 22.5 22.5
m8g.16xlarge 64 262144 30 30
m8g.24xlarge 96 393216 40 40
m8g.48xlarge 192 786432 50 50
c5.large 2 4096 0.75 10
c5.xlarge 4 8192 1.25 10
c5.2xlarge 8 16384 2.5 10
c5.4xlarge 16 32768 5 10
c5.9xlarge 36 73728 12 12
c5.12xlarge 48 98304 12 12
c5.18xlarge 72 147456 25 25
c5.24xlarge 96 196608 25 25
c6i.large 2 4096 0.781 12.5
c6i.xlarge 4 8192 1.562 12.5
c6i.2xlarge 8 16384 3.125 12.5
c6i.4xlarge 16 32768 6.25 12.5
c6i.8xlarge 32 65536 12.5 12.5
c6i.12xlarge 48 98304 18.75 18.75
c6i.16xlarge 64 131072 25 25
c6i.24xlarge 96 196608 37.5 37.5
c6i.32xlarge 128 262144 50 50
c6a.large 2 4096 0.781 12.5
c6a.xlarge 4 8192 1.562 12.5
c6a.2xlarge 8 16384 3.125 12.5
c6a.4xlarge 16 32768 6.25 12.5
c6a.8xlarge 32 65536 12.5 12.5
c6a.12xlarge 48 98304 18.75 18.75
c6a.16xlarge 64 131072 25 25
c6a.24xlarge 96 196608 37.5 37.5
c6a.32xlarge 128 262144 50 50
c6a.48xlarge 192 393216 50 50
c6g.medium 1 2048 0.5 10
c6g.large 2 4096 0.75 10
c6g.xlarge 4 8192 1.25 10
c6g.2xlarge 8 16384 2.5 10
c6g.4xlarge 16 32768 5 10
c6g.8xlarge 32 65536 12 12
c6g.12xlarge 48 98304 20 20
c6g.16xlarge 64 131072 25 25
c7i.large 2 4096 0.781 12.5
c7i.xlarge 4 8192 1.562 12.5
c7i.2xlarge 8 16384 3.125 12.5
c7i.4xlarge 16 32768 6.25 12.5
c7i.8xlarge 32 65536 12.5 12.5
c7i.12xlarge 48 98304 18.75 18.75
c7i.16xlarge 64 131072 25 25
c7i.24xlarge 96 196608 37.5 37.5
c7i.48xlarge 192 393216 50 50
c7a.medium 1 2048 0.39 12.5
c7a.large 2 4096 0.781 12.5
c7a.xlarge 4 8192 1.562 12.5
c7a.2xlarge 8 16384 3.125 12.5
c7a.4xlarge 16 32768 6.25 12.5
c7a.8xlarge 32 65536 12.5 12.5
c7a.12xlarge 48 98304 18.75 18.75
c7a.16xlarge 64 131072 25 25
c7a.24xlarge 96 196608 37.5 37.5
c7a.32xlarge 128 262144 50 50
c7a.48xlarge 192 393216 50 50
c7g.medium 1 2048 0.52 12.5
c7g.large 2 4096 0.937 12.5
c7g.xlarge 4 8192 1.876 12.5
c7g.2xlarge 8 16384 3.75 15
c7g.4xlarge 16 32768 7.5 15
c7g.8xlarge 32 65536 15 15
c7g.12xlarge 48 98304 22.5 22.5
c7g.16xlarge 64 131072 30 30
c8g.medium 1 2048 0.52 12.5
c8g.large 2 4096 0.937 12.5
c8g.xlarge 4 8192 1.875 12.5
c8g.2xlarge 8 16384 3.75 15
c8g.4xlarge 16 32768 7.5 15
c8g.8xlarge 32 65536 15 15
c8g.12xlarge 48 98304 22.5 22.5
c8g.16xlarge 64 131072 30 30
c8g.24xlarge 96 196608 40 40
c8g.48xlarge 192 393216 50 50
r5.large 2 16384 0.75 10
r5.xlarge 4 32768 1.25 10
r5.2xlarge 8 65536 2.5 10
r5.4xlarge 16 131072 5 10
r5.8xlarge 32 262144 10 10
r5.12xlarge 48 393216 12 12
r5.16xlarge 64 524288 20 20
r5.24xlarge 96 786432 25 25
r6i.large 2 16384 0.781 12.5
r6i.xlarge 4 32768 1.562 12.5
r6i.2xlarge 8 65536 3.125 12.5
r6i.4xlarge 16 131072 6.25 12.5
r6i.8xlarge 32 262144 12.5 12.5
r6i.12xlarge 48 393216 18.75 18.75
r6i.16xlarge 64 524288 25 25
r6i.24xlarge 96 786432 37.5 37.5
r6i.32xlarge 128 1048576 50 50
r6a.large 2 16384 0.781 12.5
r6a.xlarge 4 32768 1.562 12.5
r6a.2xlarge 8 65536 3.125 12.5
r6a.4xlarge 16 131072 6.25 12.5
r6a.8xlarge 32 262144 12.5 12.5
r6a.12xlarge 48 393216 18.75 18.75
r6a.16xlarge 64 524288 25 25
r6a.24xlarge 96 786432 37.5 37.5
r6a.32xlarge 128 1048576 50 50
r6a.48xlarge 192 1572864 50 50
r6g.medium 1 8192 0.5 10
r6g.large 2 16384 0.75 10
r6g.xlarge 4 32768 1.25 10
r6g.2xlarge 8 65536 2.5 10
r6g.4xlarge 16 131072 5 10
r6g.8xlarge 32 262144 12 12
r6g.12xlarge 48 393216 20 20
r6g.16xlarge 64 524288 25 25
r7i.large 2 16384 0.781 12.5
r7i.xlarge 4 32768 1.562 12.5
r7i.2xlarge 8 65536 3.125 12.5
r7i.4xlarge 16 131072 6.25 12.5
r7i.8xlarge 32 262144 12.5 12.5
r7i.12xlarge 48 393216 18.75 18.75
r7i.16xlarge 64 524288 25 25
r7i.24xlarge 96 786432 37.5 37.5
r7i.48xlarge 192 1572864 50 50
r7a.medium 1 8192 0.39 12.5
r7a.large 2 16384 0.781 12.5
r7a.xlarge 4 32768 1.562 12.5
r7a.2xlarge 8 65536 3.125 12.5
r7a.4xlarge 16 131072 6.25 12.5
r7a.8xlarge 32 262144 12.5 12.5
r7a.12xlarge 48 393216 18.75 18.75
r7a.16xlarge 64 524288 25 25
r7a.24xlarge 96 786432 37.5 37.5
r7a.32xlarge 128 1048576 50 50
r7a.48xlarge 192 1572864 50 50
r7g.medium 1 8192 0.52 12.5
r7g.large 2 16384 0.937 12.5
r7g.xlarge 4 32768 1.876 12.5
r7g.2xlarge 8 65536 3.75 15
r7g.4xlarge 16 131072 7.5 15
r7g.8xlarge 32 262144 15 15
r7g.12xlarge 48 393216 22.5 22.5
r7g.16xlarge 64 524288 30 30
r8g.medium 1 8192 0.52 12.5
r8g.large 2 16384 0.937 12.5
r8g.xlarge 4 32768 1.875 12.5
r8g.2xlarge 8 65536 3.75 15
r8g.4xlarge 16 131072 7.5 15
r8g.8xlarge 32 262144 15 15
r8g.12xlarge 48 393216 22.5 22.5
r8g.16xlarge 64 524288 30 30
r8g.24xlarge 96 786432 40 40
r8g.48xlarge 192 1572864 50 50
"""

# Per cent of each CPU that a burstable instance has for ever, by size; t3, t3a and t4g are alike in it.
_CPU_SHARES = {"nano": 5, "micro": 10, "small": 20, "medium": 20, "large": 30, "xlarge": 40, "2xlarge": 40}
_BURSTABLE = ("t3", "t3a", "t4g")


@dataclass(frozen=True)
class InstanceType:
    """A type of instance: memory in MiB, bandwidths in bytes/s, and what of each CPU it has for ever in per cent."""

    name: str
    cpus: int
    memory: int
    bandwidth: float
    peak_bandwidth: float
    cpu_share: int


def instance_type(name: str) -> InstanceType | None:
    """What is known of a type such as c7g.2xlarge; None where nothing is."""
    return _TYPES.get(name)


def _read(line: str) -> InstanceType:
    name, cpus, memory, baseline, peak = line.split()
    family, _, size = name.partition(".")
    share = _CPU_SHARES[size] if family in _BURSTABLE else 100
    return InstanceType(name, int(cpus), int(memory), float(baseline) * 1e9 / 8, float(peak) * 1e9 / 8, share)


_TYPES = {found.name: found for found in map(_read, _TABLE.splitlines()[1:])}
