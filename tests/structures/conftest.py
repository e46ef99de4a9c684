"""Property tests of this folder: few examples, the same in every run, no deadline on a busy machine."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("structures", deadline=None, max_examples=20, derandomize=True)
settings.load_profile("structures")
