"""The documents: their links lead somewhere, their commands do what they show, their words are the code's."""
