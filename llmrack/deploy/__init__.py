"""Changes hosts: refuse or accept, make as declared, roll out, prove."""
