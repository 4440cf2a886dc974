"""The hooks of Frappe that matter to Redis."""

app_name = "frappe"

# Patterns of keys that live in redis_cache but are not cache: clearing the cache leaves them.
persistent_cache_keys = [
    "changelog-*",
    "insert_queue_for_*",
    "recorder-*",
    "global_search_queue",
    "monitor-transactions",
    "rate-limit-counter-*",
    "rl:*",
]
