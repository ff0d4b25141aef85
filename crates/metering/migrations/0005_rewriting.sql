-- A usage record of the running hour is written again by each reading that finds more. That stays within its page and
-- touches no index (a HOT update) as long as the page has room and no indexed column changes.
ALTER TABLE metering.usage_records SET (fillfactor = 50);
-- Whether RGW's log has nothing of it any more.
ALTER TABLE metering.usage_records ADD COLUMN is_trimmed boolean NOT NULL DEFAULT false;
UPDATE metering.usage_records SET is_trimmed = true WHERE trimmed_operations >= operations;
DROP INDEX metering.usage_records_untrimmed;
CREATE INDEX usage_records_untrimmed ON metering.usage_records (s3uid, hour) WHERE NOT is_trimmed;
-- Records come hour by hour, so blocks know well enough which hours they hold.
DROP INDEX metering.usage_records_hour;
CREATE INDEX usage_records_hour ON metering.usage_records USING brin (hour) WITH (autosummarize = on);
