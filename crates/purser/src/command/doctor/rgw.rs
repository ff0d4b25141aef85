//! Every location's RGW: whether it lets Purser in, with enough rights, and does what Purser relies on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DurationRound, TimeDelta};
use model::{Clock, Location, SystemClock, Timestamp};
use object_store::{Administrator, ObjectStore, StoreError, Topic};
use runtime::config::Config;
use tokio::time::{Instant, sleep};

use super::Check;
use crate::command::worker;

/// What Purser needs: the kind, and whether reading is enough.
const CAPS: [(&str, bool); 4] = [("users", false), ("buckets", false), ("usage", false), ("metadata", true)];
const CLOCK_WARNING: TimeDelta = TimeDelta::seconds(5);
const CLOCK_FAILED: TimeDelta = TimeDelta::seconds(60);
/// A little longer than RGW keeps its usage log to itself, unless it is told otherwise.
const FLUSH: Duration = Duration::from_secs(35);
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Checks all locations side by side: the usage log takes its time.
pub(super) async fn checks(config: &Config) -> anyhow::Result<Vec<Check>> {
    let (stores, topics) = (worker::stores(config)?, worker::topics(config)?);
    let mut tasks = Vec::new();
    for (code, topic) in topics {
        let store = Arc::clone(&stores.get(&code)?.store);
        tasks.push(tokio::spawn(async move { location(&code, store.as_ref(), topic.as_ref()).await }));
    }
    let mut checks = Vec::new();
    for task in tasks {
        checks.extend(task.await?);
    }
    Ok(checks)
}

async fn location(code: &Location, store: &dyn ObjectStore, topic: Option<&Topic>) -> Vec<Check> {
    let name = |what: &str| format!("rgw.{code}.{what}");
    let administrator = match store.administrator().await {
        Ok(administrator) => administrator,
        Err(error) => return vec![refused(name("administrator"), code, &error)],
    };
    let mut checks = vec![
        Check::ok(name("administrator"), format!("lets {} in", administrator.uid)),
        caps(name("caps"), &administrator),
        clock(name("clock"), administrator.clock_ahead),
        usage_log(name("usage_log"), store, &administrator).await,
    ];
    if let Some(topic) = topic {
        checks.push(match store.put_topic(topic).await {
            Ok(()) => Check::ok(name("notifications"), format!("has the topic {}", topic.name)),
            Err(error) => Check::failed(
                name("notifications"),
                error.to_string(),
                format!(
                    "check locations.{code}.notification_amqp_url; over http, RGW takes a password in it only with \
                     `rgw trust forwarded https = true`"
                ),
            ),
        });
    }
    checks
}

fn refused(name: String, code: &Location, error: &StoreError) -> Check {
    let remedy = match error {
        StoreError::Unavailable(_) => format!("check locations.{code}.rgw_url and whether radosgw runs"),
        // It may be that even who the administrator is may not be asked.
        _ => format!(
            "check locations.{code}.admin_access_key and admin_secret_key; the user needs `{}`",
            caps_command("<the administrator>", &wanted(&BTreeMap::new()))
        ),
    };
    Check::failed(name, error.to_string(), remedy)
}

fn caps(name: String, administrator: &Administrator) -> Check {
    let missing = wanted(&administrator.caps);
    if missing.is_empty() {
        return Check::ok(name, "has all caps");
    }
    let remedy = format!("`{}`", caps_command(&administrator.uid, &missing));
    Check::failed(name, format!("lacks {}", missing.join(", ")), remedy)
}

/// The caps that are missing, as radosgw-admin writes them.
fn wanted(caps: &BTreeMap<String, String>) -> Vec<String> {
    let may = |kind: &str, permission: &str| {
        caps.get(kind)
            .is_some_and(|held| held.split(',').any(|one| matches!(one.trim(), "*") || one.trim() == permission))
    };
    CAPS.into_iter()
        .filter(|(kind, reads)| !(may(kind, "read") && (*reads || may(kind, "write"))))
        .map(|(kind, reads)| format!("{kind}={}", if reads { "read" } else { "*" }))
        .collect()
}

fn caps_command(uid: &str, caps: &[String]) -> String {
    format!("radosgw-admin caps add --uid={uid} --caps=\"{}\"", caps.join(";"))
}

fn clock(name: String, ahead: TimeDelta) -> Check {
    let seconds = ahead.as_seconds_f64();
    let seen = format!("differs from this machine's by {seconds:+.1} s");
    let remedy = "keep both clocks right, for example with chrony";
    match ahead.abs() {
        off if off > CLOCK_FAILED => Check::failed(name, seen, remedy),
        off if off > CLOCK_WARNING => Check::warning(name, seen, remedy),
        _ => Check::ok(name, seen),
    }
}

/// Makes a request that the usage log must show, and waits until it does.
async fn usage_log(name: String, store: &dyn ObjectStore, administrator: &Administrator) -> Check {
    let uid = administrator.uid.as_str();
    if administrator.is_system {
        let seen = format!("can't be watched: RGW doesn't log what {uid} does, who was made with --system");
        return Check::warning(
            name,
            seen,
            "make an administrator without --system, so that lost parts of the log are found",
        );
    }
    let begun = hour_of(SystemClock.now());
    let logged = async {
        let before = probes(store, administrator, begun).await?;
        store.probe_log().await?;
        let deadline = Instant::now() + FLUSH;
        loop {
            if probes(store, administrator, begun).await? > before {
                return Ok(true);
            }
            if Instant::now() > deadline {
                return Ok(false);
            }
            sleep(POLL_INTERVAL).await;
        }
    };
    match logged.await {
        Ok(true) => Check::ok(name, "shows what was just done"),
        Ok(false) => {
            let seen = format!("didn't show a request within {} s", FLUSH.as_secs());
            Check::failed(name, seen, "set `rgw enable usage log = true` and restart radosgw")
        }
        Err(error) => {
            let error: StoreError = error;
            Check::failed(name, error.to_string(), "the administrator needs the cap usage=*")
        }
    }
}

/// How many requests of that kind the log shows for the hour `begun` and, once it has come, the one after.
async fn probes(store: &dyn ObjectStore, administrator: &Administrator, begun: Timestamp) -> Result<u64, StoreError> {
    let now = hour_of(SystemClock.now());
    let mut count = 0;
    for hour in if now > begun { vec![begun, now] } else { vec![begun] } {
        count += administrator.probes_in(&store.usage_of_all(hour).await?);
    }
    Ok(count)
}

fn hour_of(time: Timestamp) -> Timestamp {
    time.duration_trunc(TimeDelta::hours(1)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::Outcome;

    #[test]
    fn missing_caps_are_named_with_the_command_that_adds_them() {
        for (held, missing) in [
            (vec![("users", "*"), ("buckets", "*"), ("usage", "*"), ("metadata", "read")], ""),
            (vec![("users", "read, write"), ("buckets", "*"), ("usage", "write, read"), ("metadata", "*")], ""),
            (vec![("users", "read"), ("buckets", "*"), ("usage", "*")], "users=*;metadata=read"),
            (vec![("users", "*"), ("metadata", "write")], "buckets=*;usage=*;metadata=read"),
        ] {
            let caps = held.iter().map(|(kind, held)| ((*kind).to_owned(), (*held).to_owned())).collect();
            let administrator =
                Administrator { uid: "admin".to_owned(), caps, is_system: false, clock_ahead: TimeDelta::zero() };
            let check = super::caps(String::new(), &administrator);
            let expected = format!("`radosgw-admin caps add --uid=admin --caps=\"{missing}\"`");
            assert_eq!(check.remedy, (!missing.is_empty()).then_some(expected), "{held:?}");
        }
    }

    #[test]
    fn clocks_may_differ_by_seconds_only() {
        for (ahead_ms, outcome) in [
            (0, Outcome::Ok),
            (-5_000, Outcome::Ok),
            (5_001, Outcome::Warning),
            (-60_000, Outcome::Warning),
            (60_001, Outcome::Failed),
        ] {
            assert_eq!(clock(String::new(), TimeDelta::milliseconds(ahead_ms)).outcome, outcome, "{ahead_ms} ms");
        }
    }
}
