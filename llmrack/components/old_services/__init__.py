"""Services of somebody else on a host, whose place llmrack takes."""
