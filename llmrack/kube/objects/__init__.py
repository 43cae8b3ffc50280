"""What the cluster shall have, as plain values in the form of Kubernetes' API."""
