"""AWS as benchfly uses it: clients that do not wait for ever, and errors that say what to do."""

from benchfly.aws.clients import client

__all__ = ["client"]
