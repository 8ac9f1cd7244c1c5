"""Recurrent networks as dynamical systems."""
