//! How soon a process is ready, and what it holds while it has nothing to do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use async_trait::async_trait;
use test_support::deployment::{Deployment, PortLease, Process};
use test_support::{http, world};

use crate::helper::Helper;
use crate::load::count;
use crate::measure::{Comparison, Figure, Group, Measure, Sample, Setting, Variant, figure};
use crate::stage;
use crate::store;

const ROLES: [&str; 4] = ["gateway", "provisioner", "metering", "billing"];
const POLL_INTERVAL: Duration = Duration::from_millis(2);
const READY_LIMIT: Duration = Duration::from_mins(1);
/// After that a process that has started holds what it needs, and no more.
const IDLE_TIME: Duration = Duration::from_secs(2);
const MB: u64 = 1_000_000;
const FIGURES: &[Figure] = &[figure("ready_ms", "ready after ms", 0), figure("resident_mb", "resident MB", 1)];

pub(super) struct StartUp;

#[async_trait]
impl Measure for StartUp {
    fn name(&self) -> &'static str {
        "start-up"
    }

    fn about(&self) -> &'static str {
        "From the start of a process until `/readyz` says so, and its resident memory two seconds later; *four processes* \
         are started at once, and their memory is added up. The database and the virtual host are there already."
    }

    fn figures(&self) -> &'static [Figure] {
        FIGURES
    }

    async fn prepare(&self, setting: &Setting) -> Result<Vec<Group>> {
        let dir = tempfile::tempdir()?;
        let (store, services) = store::start(&setting.services).await?;
        let deployment = stage::deployment(setting, &services, &dir).await?;
        world::seed(&deployment).await?;
        let home = Arc::new(Home { deployment, _store: store, _dir: dir });
        let start = |name: &'static str, roles: Vec<&'static str>| -> Arc<dyn Variant> {
            Arc::new(Start { name, roles, home: Arc::clone(&home) })
        };
        let mut variants: Vec<_> = ROLES.map(|role| start(role, vec![role])).into();
        variants.push(start("all in one process", vec!["all"]));
        variants.push(start("four processes", ROLES.to_vec()));
        Ok(vec![Group { name: "one start".to_owned(), in_flight: 1, comparison: Comparison::None, variants }])
    }
}

/// A deployment in which nothing else runs.
struct Home {
    deployment: Deployment,
    _store: Helper,
    _dir: tempfile::TempDir,
}

struct Start {
    name: &'static str,
    roles: Vec<&'static str>,
    home: Arc<Home>,
}

#[async_trait]
impl Variant for Start {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn run(&self, _in_flight: usize, _duration: Duration) -> Result<Sample> {
        let http = http::client()?;
        let (started, mut starting) = (Instant::now(), Vec::new());
        for role in &self.roles {
            let port = PortLease::take()?;
            let address = format!("127.0.0.1:{}", port.port());
            let setting = if matches!(*role, "gateway" | "all") { "GATEWAY" } else { "HEALTH" };
            let variable = format!("PURSER__{setting}__LISTEN");
            let process = self.home.deployment.spawn_unready(role, &[(&variable[..], &address[..])])?;
            starting.push((process, format!("http://{address}/readyz"), port));
        }
        for (process, url, _) in &mut starting {
            while !http.get(url.as_str()).send().await.is_ok_and(|answer| answer.status().is_success()) {
                if process.has_ended()? || started.elapsed() > READY_LIMIT {
                    bail!("`purser {}` isn't ready:\n{}", process.role(), process.log());
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
        let ready_ms = started.elapsed().as_secs_f64() * 1e3;
        tokio::time::sleep(IDLE_TIME).await;
        let resident = |process: &Process| process.memory().map(|(now, _)| now);
        let memory = starting.iter().map(|(process, ..)| resident(process)).sum::<Result<u64>>()?;
        let resident_mb = count(usize::try_from(memory * 10 / MB)?) / 10.0;
        Ok(Sample::default().with("ready_ms", ready_ms).with("resident_mb", resident_mb))
    }
}
