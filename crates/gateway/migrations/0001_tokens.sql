-- Who a token speaks for. The token itself is known to its owner only.
CREATE TABLE auth.tokens (
    token_sha256 bytea PRIMARY KEY CHECK (octet_length(token_sha256) = 32),
    customer_id  bigint,
    role         text        NOT NULL CHECK (role IN ('customer', 'admin')),
    description  text,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz,
    CHECK (role = 'admin' OR customer_id IS NOT NULL),
    CHECK (expires_at > created_at)
);
CREATE INDEX tokens_customer_id ON auth.tokens (customer_id);
