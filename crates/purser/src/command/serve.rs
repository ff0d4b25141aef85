//! Running roles.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use messages::RoleName;
use model::{Clock, SystemClock};
use runtime::config::Config;
use runtime::health::Health;
use runtime::lifecycle::{GRACE, Shutdown};
use runtime::service_manager::Notifying;
use runtime::telemetry::{self, Metrics};
use tokio::net::TcpListener;
use tracing::info;

use super::worker;

/// All roles. The gateway comes last: when it answers, somebody works on what it is asked.
pub(super) const ALL: [RoleName; 4] = [RoleName::Provisioner, RoleName::Metering, RoleName::Billing, RoleName::Gateway];

/// What the roles of a process share.
struct Process {
    config: Config,
    health: Health,
    /// The gateway's end comes first: its callers still wait for what the workers do.
    front: Shutdown,
    workers: Shutdown,
    clock: Arc<dyn Clock>,
}

/// Runs these roles until a signal ends them or one of them fails.
pub(super) async fn run(config: Config, roles: &[RoleName]) -> anyhow::Result<()> {
    config.validate(roles)?;
    let metrics = Metrics::install()?;
    let traces = telemetry::init(&config.telemetry, &service_name(roles))?;
    let (front, workers) = (Shutdown::new(), Shutdown::new());
    front.listen_for_signals().context("signals can't be listened for")?;
    let health = Health::new(metrics, front.soft().clone());
    let process = Process { config, health, front, workers, clock: Arc::new(SystemClock) };
    let listener = if roles.contains(&RoleName::Gateway) { None } else { process.health_listener().await? };
    for role in roles {
        info!(%role, "starting");
        process.start(*role)?;
    }
    // Only now: before the roles are known, there is nothing that isn't ready.
    if let Some(listener) = listener {
        process.serve_health(listener);
    }
    let notifying = Notifying::start(process.health.clone(), process.front.soft().clone());
    let ended = process.finish(roles).await;
    traces.finish().await;
    if let Some(notifying) = notifying {
        notifying.finish().await;
    }
    ended
}

/// What a collector of traces calls this process.
fn service_name(roles: &[RoleName]) -> String {
    match roles {
        [role] => format!("purser-{role}"),
        _ => "purser".to_owned(),
    }
}

impl Process {
    /// Waits for the end: of the gateway where there is one, then of the workers.
    async fn finish(self, roles: &[RoleName]) -> anyhow::Result<()> {
        let (front, workers) = (self.front.clone(), self.workers.clone());
        // A worker that fails ends the process.
        tokio::spawn(async move {
            workers.soft().cancelled().await;
            front.request();
        });
        let front_ended = if roles.contains(&RoleName::Gateway) {
            self.front.finish(GRACE).await
        } else {
            self.front.soft().cancelled().await;
            let (front, workers) = (self.front.clone(), self.workers.clone());
            tokio::spawn(async move {
                front.hard().cancelled().await;
                workers.hard().cancel();
            });
            Ok(())
        };
        self.workers.request();
        self.workers.finish(GRACE).await.and(front_ended)
    }

    /// Starts one role; it ends with the process's shutdown.
    fn start(&self, role: RoleName) -> anyhow::Result<()> {
        match role {
            RoleName::Gateway => {
                let config = self.config.gateway.clone().context("[gateway] is required")?;
                let (health, clock) = (self.health.clone(), self.clock.clone());
                let soft = self.front.soft().clone();
                // As of the workers; it says otherwise once it listens.
                self.health.register(gateway::STARTED, || async { Err("connecting".to_owned()) });
                self.front.spawn("gateway", gateway::serve(config, health, clock, soft));
            }
            RoleName::Provisioner | RoleName::Metering | RoleName::Billing => {
                let (config, health) = (self.config.clone(), self.health.clone());
                let (shutdown, clock) = (self.workers.clone(), self.clock.clone());
                let started = Arc::new(AtomicBool::new(false));
                let seen = Arc::clone(&started);
                // Registered before it connects: a process isn't ready while one of its roles is still on its way.
                self.health.register(format!("{role}.started"), move || {
                    let ready = seen.load(Ordering::Relaxed);
                    async move { if ready { Ok(()) } else { Err("connecting".to_owned()) } }
                });
                self.workers.spawn(role.as_str(), async move {
                    tokio::select! {
                        connected = worker::start(role, &config, &health, &shutdown, clock) => {
                            started.store(connected.is_ok(), Ordering::Relaxed);
                            connected
                        }
                        () = shutdown.soft().cancelled() => Ok(()),
                    }
                });
            }
        }
        Ok(())
    }

    /// Where there is no gateway, which serves it too.
    async fn health_listener(&self) -> anyhow::Result<Option<TcpListener>> {
        let Some(listen) = self.config.health.listen else { return Ok(None) };
        let bound = TcpListener::bind(listen).await;
        bound.map(Some).with_context(|| format!("health.listen: {listen} can't be bound"))
    }

    fn serve_health(&self, listener: TcpListener) {
        let health = self.health.clone();
        self.workers.spawn("health", async move { Ok(health.serve(listener).await?) });
    }
}
