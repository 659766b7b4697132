"""From votes to a permit: the states, the quorum, and the life of a request."""
