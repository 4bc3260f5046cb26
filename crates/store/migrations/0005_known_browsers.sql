-- The browsers that a person signed in with. Each has its own tries, so that nobody else's wrong passwords lock its
-- owner out. Browsers are hashes of 32 bytes.
CREATE TABLE known_browsers (
    user_id {text} NOT NULL REFERENCES users (id),
    browser_hash {bytes} NOT NULL CHECK (length(browser_hash) = 32),
    signed_in_at {int} NOT NULL,
    PRIMARY KEY (user_id, browser_hash)
){strict};
CREATE INDEX known_browsers_browser ON known_browsers (browser_hash);
CREATE INDEX known_browsers_signed_in ON known_browsers (signed_in_at);
