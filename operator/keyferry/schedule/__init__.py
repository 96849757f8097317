"""When work is due, and who does it. It knows callables and keys, neither secrets nor Kubernetes."""
