"""What LiteLLM loads, by the names in config.yaml.

LiteLLM runs this file anew for each name and registers it nowhere. So nothing is made here: the
modules make it, which Python imports once.
"""

from .auth import user_api_key_auth
from .request_log import callback as request_log
from .routing.callback import callback as routing

__all__ = ["request_log", "routing", "user_api_key_auth"]
