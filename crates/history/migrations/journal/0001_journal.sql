-- What every role keeps beside its own tables; the connection's search_path is the role's schema.

-- One row per command that was understood. reply is null while the command is being worked on.
CREATE TABLE answered_commands (
    principal text NOT NULL,
    message_id uuid NOT NULL,
    action text NOT NULL,
    fingerprint bytea NOT NULL,
    received_at timestamptz NOT NULL,
    reply text,
    answered_at timestamptz,
    -- Null: kept for ever.
    expires_at timestamptz,
    PRIMARY KEY (principal, message_id)
);
CREATE INDEX answered_commands_expires_at ON answered_commands (expires_at) WHERE expires_at IS NOT NULL;

-- Callers of commands that are answered by a later event.
CREATE TABLE waiting_callers (
    principal text NOT NULL,
    message_id uuid NOT NULL,
    reply_to text NOT NULL,
    correlation_id text NOT NULL,
    encoding text NOT NULL,
    PRIMARY KEY (principal, message_id, reply_to, correlation_id),
    FOREIGN KEY (principal, message_id) REFERENCES answered_commands ON DELETE CASCADE
);

-- The single intent slot of a subject: what is about to be done outside the database, and by which attempt.
CREATE TABLE intents (
    subject text PRIMARY KEY,
    principal text NOT NULL,
    message_id uuid NOT NULL,
    attempt integer NOT NULL,
    lease_until timestamptz NOT NULL,
    request jsonb NOT NULL,
    plan jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (principal, message_id),
    FOREIGN KEY (principal, message_id) REFERENCES answered_commands
);
CREATE INDEX intents_lease_until ON intents (lease_until);

-- Messages that follow from committed changes, until the broker has confirmed them.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject text NOT NULL,
    -- Exchange, routing key, properties and headers.
    envelope jsonb NOT NULL,
    -- JSON text; the relay encodes it as the envelope says.
    body text NOT NULL,
    created_at timestamptz NOT NULL
);

-- Grows with each event about a subject; its row lock keeps the outbox of one subject in commit order.
CREATE TABLE subject_versions (
    subject text PRIMARY KEY,
    version bigint NOT NULL
);
