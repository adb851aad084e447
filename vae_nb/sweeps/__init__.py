"""Sweeps: run many configurations, and compare them.

Read `definition` (the file of a sweep), `plan` (which runs there are), `worker` (one run),
`engine` (all runs), `results` (the tables that they leave) and `comparison` (what the tables say).
`identity` tells whether a run is still the same. Imports from `run`, `data`, `core` and `system`.
"""
