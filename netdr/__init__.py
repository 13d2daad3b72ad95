"""netdr: a district government's network as code, and its services back when the server room is lost."""

__version__ = "0.1.0"
