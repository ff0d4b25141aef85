-- Replies that hold a secret are kept sealed; a command has a reply of one of the two kinds.
ALTER TABLE answered_commands
    ADD COLUMN sealed_reply bytea,
    ADD CONSTRAINT answered_commands_one_reply CHECK (reply IS NULL OR sealed_reply IS NULL);
