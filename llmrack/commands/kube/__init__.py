"""`llmrack kube`: the stack in a Kubernetes cluster."""
