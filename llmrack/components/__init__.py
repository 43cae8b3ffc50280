"""From a stack and a host to the resources that host shall have. One file per component. Pure."""
