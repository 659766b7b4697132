"""Real applications that nobody here designed: each natural root is deleted and brought back (``make real-systems``)."""
