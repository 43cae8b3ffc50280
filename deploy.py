"""The whole job, for each host: refuse or accept it, make it as declared, prove it.

pyinfra inventory deploy.py          (asks before it changes anything)
pyinfra inventory deploy.py --dry    (only says what it would change)
pyinfra inventory deploy.py -y       (does not ask)
"""

from pyinfra import host, state

from llmrack.deploy.before.listed_models import insist_on_listed_models
from llmrack.deploy.operations import accept, apply
from llmrack.deploy.proof.operation import prove
from llmrack.deploy.start import rack

this = rack(state, host)
sudo = this.sudo

insist_on_listed_models(this)
accept(rack=this, name="Accept the host", _sudo=sudo)
apply(rack=this, component="system", name="System: packages, service user, linger", _sudo=sudo)
apply(rack=this, component="gpu", name="GPUs: driver, boot, suspend", _sudo=sudo)
apply(rack=this, component="ollama", name="Ollama: release, instances, models", _sudo=sudo)
apply(rack=this, component="gateway", name="Gateway: release, configuration, swap", _sudo=sudo)
apply(rack=this, component="monitor", name="Monitor: Prometheus, exporters, rules", _sudo=sudo)
prove(rack=this, name="Proof: real requests", _sudo=sudo)
