"""Makes what a node needs: the schema, by Liquibase or by script, and an embedded PostgreSQL."""
