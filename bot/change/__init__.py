"""The life of a change after the verdict: decided by a person, written once, verified, and taken back if need be."""
