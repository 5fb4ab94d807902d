"""Connections that policies deny: judged, attributed to a policy, and worded as findings."""
