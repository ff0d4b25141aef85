//! The gateway over real HTTP, against a real broker and a real database.

mod answers;
mod fixture;
mod tokens;
mod trouble;
