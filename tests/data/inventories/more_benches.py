#!/usr/bin/env python3
"""A dynamic inventory: prints one more bench."""

import json
import sys

VARIABLES = {
    "frappe_bench_name": "erp",
    "frappe_bench_path": "/home/frappe/erp",
    "frappe_bench_queue_store": "erp-queue",
}
INVENTORY = {
    "benches": {"children": ["erp"]},
    "erp": {"hosts": ["erp-app"]},
    "_meta": {"hostvars": {"erp-app": VARIABLES}},
}
sys.stdout.write(json.dumps(INVENTORY))
