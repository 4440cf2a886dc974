"""Runs the collection's playbooks through ansible-runner and says what came of it."""
