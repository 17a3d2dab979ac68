"""The model that answers when nothing else is configured: its weights, and the engine in a child process."""
