"""The objects that LiteLLM loads, by the names in config.yaml.

LiteLLM runs this file again for each name and does not register it as a module. So no object is
made in it: Python imports the modules that make them only once.
"""

from .auth import user_api_key_auth
from .request_log import callback as request_log
from .routing.callback import callback as routing

__all__ = ["request_log", "routing", "user_api_key_auth"]
