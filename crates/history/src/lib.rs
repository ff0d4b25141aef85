//! Answered commands, intents, the append-only history log, outbox and relay
