"""Versions of models that MLflow's registry knows: which one is meant, its files, and its fate."""
