//! Connections to PostgreSQL, as every role has them.

use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::PgPoolOptions;

/// A connection that has rested for so long is asked whether it lives before it is used: that costs a round trip. One that
/// was used a moment ago is trusted; should it have died since, its command fails and is tried again.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// A pool of at most `connections_max`, whose users wait at most `acquire_timeout` for one.
pub fn pool_options(connections_max: u32, acquire_timeout: Duration) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, rested| {
            Box::pin(async move {
                if rested.idle_for >= TRUSTED_FOR {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}
