"""Figures, controls, the latent explorer and the training monitor: everything that readers see.

Read `figures`, then `controls` and `monitor`. `explorer_state` and `explorer` are one half of the
explorer; the other half, which decodes and draws, is JavaScript: begin with
`frontend/explorer.js`. `frontend/report.js` is the page of a sweep. Imports from `data`,
`core` and `system`.
"""
