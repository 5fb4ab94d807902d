"""Proposals and who may approve them: states, rights and decisions. Nothing here writes to a cluster."""
