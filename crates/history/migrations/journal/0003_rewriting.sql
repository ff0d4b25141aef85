-- A command's row is written when it is taken and again when it is answered. The second time stays within the page and
-- touches no index (a HOT update) as long as the page has room and no indexed column changes.
ALTER TABLE answered_commands SET (fillfactor = 40);
DROP INDEX answered_commands_expires_at;
CREATE INDEX answered_commands_received_at ON answered_commands (received_at);
ALTER TABLE subject_versions SET (fillfactor = 70);
-- One statement writes a command's row and its intent, and one ends both: to look for the row again costs each command a
-- lock that guards nothing.
ALTER TABLE intents DROP CONSTRAINT intents_principal_message_id_fkey;
