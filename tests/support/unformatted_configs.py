"""Saves the second that yapf takes to format a config, which MMEngine does at each start and for each checkpoint."""
import mmengine.config.config
from yapf.yapflib import yapf_api

#: What the two modules hold; MMEngine 0.10.7 has imported the function into its own.
FORMATTERS = {module: module.FormatCode for module in (yapf_api, mmengine.config.config)
              if hasattr(module, 'FormatCode')}


def leave_configs_unformatted():
    """Has configs written as valid, unformatted Python."""
    for module in FORMATTERS:
        module.FormatCode = lambda text, **_: (text, False)


def format_configs():
    """Has configs formatted again."""
    for module, function in FORMATTERS.items():
        module.FormatCode = function
