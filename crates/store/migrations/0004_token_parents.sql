-- The token that created a token, so that both can be revoked together. A node that does not know the column
-- creates tokens without a parent, as before.
ALTER TABLE api_tokens ADD COLUMN parent_id {text} REFERENCES api_tokens (id);
