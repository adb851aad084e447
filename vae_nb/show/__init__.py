"""Figures, controls, the latent explorer and the training monitor: everything that readers see.

Read `figures`, then `controls`, then `explorer` and `monitor`, which are built from both. The
browser's side of the controls is in `frontend/`. Imports from `data`, `core` and `system`.
"""
