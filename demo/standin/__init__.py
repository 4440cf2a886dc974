"""A stand-in for a Frappe bench: real tools around a small package `frappe`. See demo/standin/bench.py."""

from demo.standin.bench import Execution, StandinBench
from demo.standin.environment import BenchEnv, ensure_env
from demo.standin.layout import SITE
from demo.standin.processes import free_ports

__all__ = ["SITE", "BenchEnv", "Execution", "StandinBench", "ensure_env", "free_ports"]
