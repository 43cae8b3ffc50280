"""What is served, how well and at what cost: status, usage, requests, reports."""
