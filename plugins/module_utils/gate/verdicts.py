"""The words in which gate and checks judge. By themselves, so that who needs no more does without redis-py."""

from __future__ import annotations

# What becomes of a need that is not met: `no`, this store never will; `setting`, it will once that is set;
# `note`, the bench may move all the same, and somebody should know.
MET, NOTE, SETTING, NO = "ok", "note", "setting", "no"
