"""`make bench`: what Keyferry costs and how fast it is, measured on real parts, against goals and a bare minimum."""
