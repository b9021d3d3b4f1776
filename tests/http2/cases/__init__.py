"""The cases, a module for each group. `CASES` lists names and functions that take the server under test."""
