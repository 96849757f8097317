"""The operator's image, built and run as its Deployment says, without a Docker daemon and without a registry.

All that podman keeps for it lies in the project's cache; images and containers of this machine are not touched.
"""
