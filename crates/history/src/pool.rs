//! Connections to PostgreSQL, as every role has them.

use std::time::Duration;

use messages::RoleName;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgPool};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::observe;

/// A connection that has rested for so long is asked whether it lives before it is used: that costs a round trip. One that
/// was used a moment ago is trusted; should it have died since, its command fails and is tried again.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// How often it is looked how many connections there are; asking costs nothing.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

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

/// Shows in `/metrics` how many connections a role has, used and idle, until `shutdown`.
pub async fn show_pool(pool: PgPool, role: RoleName, shutdown: CancellationToken) {
    let (used, idle) = (observe::connections(role, "used"), observe::connections(role, "idle"));
    loop {
        let (all, resting) = (pool.size(), u32::try_from(pool.num_idle()).unwrap_or(u32::MAX));
        used.set(all.saturating_sub(resting));
        idle.set(resting);
        if timeout(LOOK_INTERVAL, shutdown.cancelled()).await.is_ok() {
            return;
        }
    }
}
