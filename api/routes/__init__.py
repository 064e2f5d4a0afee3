"""The JSON addresses, one module a resource. Every handler is plain `def`: FastAPI runs it in a thread."""
