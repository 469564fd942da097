"""PostgreSQL, Redis and the five processes of one running copy, all under FINBYTE_VAR."""
