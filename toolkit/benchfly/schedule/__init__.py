"""Scheduled benchmarks: when, what has changed since, and whom to tell."""
