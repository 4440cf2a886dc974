"""What bench runs for every command that is not its own: `python -m frappe.utils.bench_helper frappe <command> ...`."""

from __future__ import annotations

import argparse


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    commands = (
        parser.add_subparsers(dest="app", required=True)
        .add_parser("frappe")
        .add_subparsers(dest="command", required=True)
    )
    worker = commands.add_parser("worker")
    worker.add_argument("--queue", required=True, help="comma-separated, e.g. short,default")
    worker.add_argument("--no-fork", action="store_true", help="run jobs in the worker itself, as Frappe's pools do")
    commands.add_parser("schedule")
    arguments = parser.parse_args()
    if arguments.command == "worker":
        from frappe.utils.background_jobs import start_worker

        start_worker(arguments.queue, fork=not arguments.no_fork)
    else:
        from frappe.utils.scheduler import start_scheduler

        start_scheduler()


if __name__ == "__main__":
    main()
