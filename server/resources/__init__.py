"""The JSON objects of the API, as clients see them and as repositories return them; they know neither of these."""
