"""Versions of models that MLflow's registry knows: which one is meant, and its files."""
