"""The configuration file as types, its loading and its checks."""
