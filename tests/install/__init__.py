"""The ways to install pdwrap, each into an empty environment, and away again."""
