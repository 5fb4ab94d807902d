"""THINK: evidence in, diagnosis out. No cluster, no Slack, no database."""
