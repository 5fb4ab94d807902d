"""The adapters behind the cluster port: a case folder, a living cluster, its API server, relay and probe."""
