-- Prices: a listing has several, each immutable. Changing one archives it and adds another.

CREATE TABLE prices (
    id {text} NOT NULL PRIMARY KEY,
    skill_id {text} NOT NULL REFERENCES skills (id),
    -- Free: 0, without currency and interval. Otherwise an amount in minor units with both.
    price_minor {int} NOT NULL CHECK (price_minor >= 0),
    price_currency {text},
    price_interval {text} CHECK (price_interval IN ('once', 'month', 'year')),
    created_at {int} NOT NULL,
    archived_at {int},
    CHECK ((price_minor > 0) = (price_currency IS NOT NULL)),
    CHECK ((price_currency IS NULL) = (price_interval IS NULL))
){strict};
CREATE INDEX prices_skill ON prices (skill_id);
-- At most one active price for each currency and interval.
CREATE UNIQUE INDEX prices_active
    ON prices (skill_id, coalesce(price_currency, ''), coalesce(price_interval, ''))
    WHERE archived_at IS NULL;

-- The columns of skills stay, with the first price, for nodes of the previous release: they read them, and write back
-- what they read. The ID is made of the skill's.
INSERT INTO prices (id, skill_id, price_minor, price_currency, price_interval, created_at)
    SELECT 'prc_' || substr(id, 5), id, price_minor, price_currency, price_interval, updated_at
    FROM skills WHERE price_minor IS NOT NULL;

-- The order that a grant came from. Refunding the order revokes its grants.
ALTER TABLE grants ADD COLUMN order_id {text};
CREATE INDEX grants_order ON grants (order_id) WHERE order_id IS NOT NULL;
