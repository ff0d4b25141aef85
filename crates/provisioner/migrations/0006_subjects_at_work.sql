-- What commands are working on, and since when: RGW may already show what shared.buckets doesn't.
CREATE VIEW shared.subjects_at_work AS SELECT subject, created_at AS since FROM provisioner.intents;
GRANT SELECT ON shared.subjects_at_work TO purser_metering;
