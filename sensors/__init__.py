"""LOOK: reads the cluster and makes evidence. Never judges, never writes."""
