"""What was run here: a folder for each run, and a database that lists them."""

from benchfly.results.database import Record, find, latest, records
from benchfly.results.runs import Run

__all__ = ["Record", "Run", "find", "latest", "records"]
