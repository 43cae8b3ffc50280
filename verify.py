"""The proof alone: ``pyinfra inventory verify.py -y``. Changes nothing but the proof's mark."""

from pyinfra import host, state

from llmrack.deploy.proof.operation import prove
from llmrack.deploy.start import rack

this = rack(state, host)

prove(rack=this, always=True, name="Proof: real requests", _sudo=this.sudo)
