//! Owns databases for tests: fresh, migrated, gone when dropped. Refuses to touch any other database.
