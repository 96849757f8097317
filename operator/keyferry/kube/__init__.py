"""A thin layer over the official client: it configures and connects, requests and answers are plain JSON.

`client` sends; `secrets`, `status`, `events` and `cluster` say what; `watched` remembers what was seen.
"""
