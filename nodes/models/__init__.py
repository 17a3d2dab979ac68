"""Chat models: from `provider:model` to a stream of text and tool calls. Knows no prompt and no node."""
