"""Takes llmrack off each host, and nothing else; models stay.

pyinfra inventory remove.py                             (asks before it changes anything)
pyinfra inventory remove.py --dry                       (only says what it would remove)
pyinfra inventory remove.py --data remove_models=true   (the models, too)
"""

from pyinfra import host, state

from llmrack.deploy.operations import accept, apply
from llmrack.deploy.removal import REMOVAL
from llmrack.deploy.start import rack

this = rack(state, host, REMOVAL)
sudo = this.sudo

accept(rack=this, name="Accept the host", _sudo=sudo)
apply(rack=this, component="monitor", name="Remove monitoring", _sudo=sudo)
apply(rack=this, component="gateway", name="Remove the gateway", _sudo=sudo)
apply(rack=this, component="ollama", name="Remove Ollama", _sudo=sudo)
apply(rack=this, component="gpu", name="Remove what GPUs needed", _sudo=sudo)
apply(rack=this, component="system", name="Remove user, packages, notes", _sudo=sudo)
