"""Clusters of requests: options, opening, and finding the target."""
