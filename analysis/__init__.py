"""Bayesian analysis of well-being pilots: a library without a service. `analysis.fit.fit` is the front.

Importing the package, `analysis.documents`, `analysis.grade` or `analysis.decide` is cheap; `analysis.fit` loads
NumPy, SciPy and ArviZ, and the first fit PyMC.
"""
