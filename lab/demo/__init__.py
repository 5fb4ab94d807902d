"""The whole of KAI in a browser, without Slack, cluster or key: a recorded incident that happens now."""

from __future__ import annotations

from lab.demo.running import Demo, demonstrate
from lab.demo.serving import serve

__all__ = ["Demo", "demonstrate", "serve"]
