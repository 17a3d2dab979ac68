"""The OpenAI-compatible API: other words for the same conversations, runs and events."""
