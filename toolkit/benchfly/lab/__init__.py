"""A test bed in the operator's own AWS account, for the time of some benchmarks.

`bed` says what is asked for, `build` makes it, `found` finds it again by its tags, `remove` takes it away; `hosts` is
what Ansible is told of it, and `suite` what is measured there. Nothing here is remembered on the controller but the key
of the hosts: whoever has the account finds and removes every lab.
"""

from benchfly.lab.bed import Bed
from benchfly.lab.found import Lab

__all__ = ["Bed", "Lab"]
