"""The encrypted backup: format, keys, references, storage.

A backup made by any release opens in every later one, and with ``age``, ``tar`` and ``zstd`` alone.
"""
