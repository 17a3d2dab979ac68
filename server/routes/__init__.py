"""The routes, one file for each kind of resource. They know neither LangGraph nor SQL."""
