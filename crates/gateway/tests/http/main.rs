//! The gateway over real HTTP, against a real broker and a real database.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as loudly as the test itself")]

mod answers;
mod auth;
mod callbacks;
mod docs;
mod fixture;
mod limits;
mod storage;
mod tokens;
mod trouble;
