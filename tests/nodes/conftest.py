"""Nodes are tested in whole runs, on the stage of the graph's tests."""

from tests.graph.conftest import stage

__all__ = ["stage"]
