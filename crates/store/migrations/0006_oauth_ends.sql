-- When an authorization ends, however often its tokens are refreshed. NULL: made by a node that does not know the
-- column, and ends a year after it was made.
ALTER TABLE oauth_grants ADD COLUMN expires_at {int};

-- The scopes of an access token whose client asked for fewer than were granted. NULL: all that were granted.
ALTER TABLE oauth_tokens ADD COLUMN scopes TEXT;
