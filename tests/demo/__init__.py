"""The main job, shown in one terminal: `make demo` tells it as it happens, `make up` leaves it running.

It is a test, too: what does not come true within its limit ends it with an error. `stage` starts everything, `story`
is what is shown, `scene` how a step is taken, `screen` how it looks, `bill` what it cost.
"""
