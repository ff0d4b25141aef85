//! Deleting what has expired.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::Gateway;
use crate::store::{callbacks, tokens};

const INTERVAL: Duration = Duration::from_mins(10);
/// For so long a token of a login is still called expired, not invalid.
const TOKENS_KEPT: TimeDelta = TimeDelta::days(1);

/// Deletes expired callback keys and tokens of logins, at once and from time to time, until `soft` is cancelled.
pub(crate) async fn run(gateway: Gateway, soft: CancellationToken) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = soft.cancelled() => return,
        }
        match forget(&gateway).await {
            Ok((0, 0)) => {}
            Ok((callbacks, tokens)) => info!(callbacks, tokens, "forgot what has expired"),
            Err(error) => warn!(%error, "what has expired can't be deleted at the moment"),
        }
    }
}

async fn forget(gateway: &Gateway) -> Result<(u64, u64), sqlx::Error> {
    let now = gateway.clock.now();
    let callbacks = callbacks::forget(&gateway.pool, now).await?;
    let tokens = tokens::forget(&gateway.pool, now - TOKENS_KEPT).await?;
    Ok((callbacks, tokens))
}
