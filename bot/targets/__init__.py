"""Systems that hold the records, behind one promise."""
