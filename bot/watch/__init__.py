"""Watches policies and the packets they drop: a change that cuts workloads is said before any alert fires."""
