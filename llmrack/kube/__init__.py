"""The declaration as objects of a Kubernetes cluster, applied and proven.

`settings` and `cluster` say what is declared, `objects` what the cluster shall have, without asking
it. Everything that reaches the cluster goes through `kubectl`.
"""
