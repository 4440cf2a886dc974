"""Runs what the promises of tuning and of schedules rest on, topic by topic, and writes .benchfly/tuning-evidence.json.

It is made of topics, cut short and resumed as tests.evidence is.
"""

import sys

from tests.evidence.__main__ import main

if __name__ == "__main__":
    sys.exit(main("tests.tuning", "tuning-evidence", __doc__))
