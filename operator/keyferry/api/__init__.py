"""The resources, a model a kind: what users write is parsed here, and the CRDs are generated from here. Pure."""
