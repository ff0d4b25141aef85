-- What happened in some hours is read without what happened in years. Entries come in the order of their moments, or nearly.
CREATE INDEX entries_recorded_at ON history.entries USING brin (recorded_at);
