"""Sweeps: run many configurations, and compare them.

Read `definition` (the file of a sweep), `plan` (which runs there are), `worker` (one run),
`engine` (all runs), `results` (the tables that they leave), `comparison` (what the tables say) and
`report` (a page that says it). `identity` tells whether a run is still the same. Imports from
`run`, `show`, `data`, `core` and `system`.
"""
