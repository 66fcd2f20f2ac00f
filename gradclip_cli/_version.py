"""The version, which the changelog, the wheel and every JSON report carry."""

__version__ = "0.1.0"
