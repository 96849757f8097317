"""Keyferry as a platform team has it: installed, upgraded and uninstalled by helm, and used by kubectl alone.

The same tests run on the control plane of this machine, in `make test`, and on kind, in `make e2e`. What differs is in
local.py and kind.py.
"""
