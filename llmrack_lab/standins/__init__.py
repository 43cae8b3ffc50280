"""The stand-ins: small programs that answer in place of what cannot be had offline."""
