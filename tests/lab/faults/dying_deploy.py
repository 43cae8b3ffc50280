"""deploy.py, in a process that ends itself (``dying``)."""

from pyinfra import local

from tests.lab.faults import dying  # noqa: F401

local.include("deploy.py")
