"""What must have been measured before a bench may move: rules of the inventory, judged against stored benchmarks."""

from benchfly.policy.evidence import Evidence, stored
from benchfly.policy.judge import Finding, Wanted, judge
from benchfly.policy.rules import GateRule, PolicyError, Rule, parse

__all__ = ["Evidence", "Finding", "GateRule", "PolicyError", "Rule", "Wanted", "judge", "parse", "stored"]
