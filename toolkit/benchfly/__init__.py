"""benchfly: moves Frappe benches between Redis, Valkey and Dragonfly, and proves whether the move is worth it."""

__version__ = "0.1.0"
