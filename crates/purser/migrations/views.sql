-- What joins several schemas, made by the owner after each schema's own migrations; every statement may be repeated.

-- The state of every command, for callers who come back for its result. A secret reply isn't shown.
CREATE OR REPLACE VIEW shared.commands AS
    SELECT c.principal, c.message_id, c.action, c.received_at, c.answered_at, c.reply,
           c.sealed_reply IS NOT NULL AS is_secret, p.objects_total, p.objects_deleted
    FROM (SELECT * FROM provisioner.answered_commands
          UNION ALL SELECT * FROM metering.answered_commands
          UNION ALL SELECT * FROM billing.answered_commands) c
    LEFT JOIN provisioner.purges p ON p.principal = c.principal AND p.message_id = c.message_id;

GRANT USAGE ON SCHEMA shared TO purser_gateway;
GRANT SELECT ON shared.commands TO purser_gateway;
