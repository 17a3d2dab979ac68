"""The JSON objects of the API, as clients see them and as repositories return them. Knows no route and no database."""
