-- A location is read before its first hour is final.
ALTER TABLE metering.log_watermarks
    ALTER COLUMN final_until DROP NOT NULL,
    -- All that was requested before this moment was read: RGW has had the time to write it down.
    ADD COLUMN complete_until timestamptz;
CREATE OR REPLACE VIEW shared.log_watermarks AS
    SELECT location, final_until, read_at, complete_until FROM metering.log_watermarks;
