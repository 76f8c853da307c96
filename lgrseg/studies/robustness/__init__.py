"""How well runs work on other data: other datasets, worse pictures, unlabelled clips."""
