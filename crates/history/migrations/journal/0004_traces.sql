-- The W3C trace context with which a command came, so that its way can be shown; null for those before.
ALTER TABLE answered_commands ADD COLUMN traceparent text;
