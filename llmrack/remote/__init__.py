"""The only room that knows pyinfra: one look, few touches, tunnels."""
