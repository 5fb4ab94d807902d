"""View of a pod's and a node's own network in a live cluster: one program on each node, one question, one answer.

`agent` is the program (standard library only, one file, runs on a node); `client` is the request and the answer as KAI
knows them. Neither imports the other: the JSON document between them, described in docs/probe.md, is the contract.
"""
