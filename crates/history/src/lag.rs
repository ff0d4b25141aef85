//! How far the relay is behind. Each process of a role looks for itself: one whose relay hangs must not be the only one
//! that could say so.

use std::time::Duration;

use chrono::TimeDelta;
use model::Timestamp;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{Failure, Journal, observe};

/// How often it is looked.
const INTERVAL: Duration = Duration::from_secs(5);
/// Of more it is only said that there are more: counting must stay cheap when the relay is in trouble.
const COUNTED_MAX: i64 = 10_000;

/// What is committed and not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lag {
    /// How many messages, up to [`COUNTED_MAX`].
    messages: u32,
    /// When the oldest of them was committed.
    oldest: Option<Timestamp>,
}

/// Shows the lag until `shutdown`.
pub(crate) async fn show(journal: &Journal, shutdown: &CancellationToken) {
    let (seconds, messages) = (observe::lag_seconds(journal.role), observe::lag_messages(journal.role));
    loop {
        let lag = tokio::select! {
            lag = read(journal) => lag,
            () = shutdown.cancelled() => return,
        };
        match lag {
            Ok(lag) => {
                let now = journal.clock.now();
                let age = lag.oldest.map_or(TimeDelta::zero(), |oldest| (now - oldest).max(TimeDelta::zero()));
                seconds.set(age.as_seconds_f64());
                messages.set(lag.messages);
            }
            Err(failure) => tracing::warn!(error = %failure, "what waits in the outbox can't be counted"),
        }
        if timeout(INTERVAL, shutdown.cancelled()).await.is_ok() {
            return;
        }
    }
}

async fn read(journal: &Journal) -> Result<Lag, Failure> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "messages!", min(created_at) AS oldest
           FROM (SELECT created_at FROM outbox ORDER BY id LIMIT $1) AS waiting"#,
        COUNTED_MAX
    )
    .fetch_one(&journal.pool)
    .await?;
    Ok(Lag { messages: u32::try_from(row.messages).unwrap_or(u32::MAX), oldest: row.oldest })
}
