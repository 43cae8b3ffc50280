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
accept(this, name="Accept the host", _sudo=sudo)
apply(this, "system", name="System: packages, service user, linger", _sudo=sudo)
apply(this, "gpu", name="GPUs: driver, boot, suspend", _sudo=sudo)
apply(this, "ollama", name="Ollama: release, instances, models", _sudo=sudo)
apply(this, "gateway", name="Gateway: release, configuration, swap", _sudo=sudo)
apply(this, "monitor", name="Monitor: Prometheus, exporters, rules", _sudo=sudo)
prove(this, name="Proof: real requests", _sudo=sudo)
