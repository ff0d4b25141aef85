-- What customers' programs log in with. The key itself is known to its owner only.
CREATE TABLE auth.api_keys (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key_sha256  bytea       NOT NULL UNIQUE CHECK (octet_length(key_sha256) = 32),
    customer_id bigint,
    role        text        NOT NULL CHECK (role IN ('customer', 'admin')),
    description text,
    created_at  timestamptz NOT NULL,
    -- Null: valid until it is revoked.
    expires_at  timestamptz,
    revoked_at  timestamptz,
    CHECK (role = 'admin' OR customer_id IS NOT NULL),
    CHECK (expires_at > created_at)
);

-- Tokens that a login made: they end with their key, and with the address where they are bound to one.
ALTER TABLE auth.tokens
    ADD COLUMN api_key_id bigint REFERENCES auth.api_keys,
    ADD COLUMN bound_address text;
CREATE INDEX tokens_expires_at ON auth.tokens (expires_at) WHERE api_key_id IS NOT NULL;

-- What a callback key leads to: a command, by its caller and id.
CREATE TABLE auth.callbacks (
    key_sha256 bytea PRIMARY KEY CHECK (octet_length(key_sha256) = 32),
    principal  text        NOT NULL,
    message_id uuid        NOT NULL,
    action     text        NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CHECK (expires_at > created_at)
);
CREATE INDEX callbacks_expires_at ON auth.callbacks (expires_at);
