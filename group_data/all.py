"""Settings of every host. What is not set here has the value that is shown as its default."""

# The declaration of what is served.
stack_file = "stack.yaml"

# Where keys are: the vault (encrypted, `llmrack secrets init`; with another ending than .age it is
# read by sops), and lines NAME=value in clear (0600; see .env.example). docs/secrets.md
secrets_file = "secrets.age"
env_file = ".env"

# A directory made by `llmrack bundle create`: everything comes from there, nothing from the
# internet. docs/offline.md
bundle = None

# The HTTP proxy between the hosts and the internet ("http://proxy.example.com:3128"), and the name
# of the secret with its login, as in an address ("svc-llm:p%40ss"). docs/proxies.md
proxy = None
proxy_login = None

# What is asked without the proxy, beside all hosts of the inventory: names (with all names below
# them), addresses, ranges. ["corp.example.com", "10.0.0.0/8"]
no_proxy = []

# A PEM file with the company's own authorities, which the hosts shall trust. docs/proxies.md
ca_file = None

# Files of llmrack's that stay as somebody edited them on the host, by their absolute paths; all
# other edits are undone. For one run: --data keep_edits=PATH,PATH. docs/safety.md
keep_edits = ()

# Whether `pyinfra inventory remove.py` removes the models, too. For one run: --data
# remove_models=true. docs/remove.md
remove_models = False

# Services of somebody else whose place llmrack takes: units of systemd ("ollama.service"), and
# root's containers ("docker:NAME", "podman:NAME"). A deploy stops them just before llmrack's own
# start; without their entry, and after a removal, they are back. docs/adopt.md
replaces = ()

# The unprivileged user that the services run as, its home (releases and models live there: choose
# a filesystem with room), and groups it joins where they exist (AMD cards need render and video).
service_user = "llm"
service_home = "/home/llm"
service_groups = ("render", "video")

# address: where other hosts reach this one. Default: ssh_hostname, or else its name.
