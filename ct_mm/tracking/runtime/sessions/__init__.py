"""Sessions of the inference runtimes; each module imports only its own runtime."""
