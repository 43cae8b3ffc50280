"""A real one-node Kubernetes cluster in a lab's network, beside its hosts."""
