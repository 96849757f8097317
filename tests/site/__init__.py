"""The site that `make docs` makes of docs/, and what it promises."""
