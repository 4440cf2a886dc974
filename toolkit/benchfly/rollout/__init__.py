"""Many benches with one command: canaries first, then batches, and a halt at the first that fails."""

from benchfly.rollout.order import Batch, Step, parse_batch, steps
from benchfly.rollout.state import Ended, Rollout, State

__all__ = ["Batch", "Ended", "Rollout", "State", "Step", "parse_batch", "steps"]
