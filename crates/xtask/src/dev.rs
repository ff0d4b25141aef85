//! The developer's own deployment, in `target/dev/purser`: services, database, virtual host, seeds and four roles.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use messages::RoleName;
use test_support::broker::Management;
use test_support::deployment::{Background, Deployment, DeploymentConfig, ROLES, Settings};
use test_support::services::{Progress, Service, Services, Stack};
use test_support::{database, world};

use crate::{test, workspace};

const NAME: &str = "purser";
const ORDER_DEADLINE_SECONDS: u64 = 120;

/// The deployment's folder.
pub(crate) fn dir() -> PathBuf {
    dev_dir().join(NAME)
}

/// The file with addresses and tokens, in the shell's syntax.
pub(crate) fn env_file() -> PathBuf {
    dev_dir().join("env")
}

/// Canonical, as the services and the roles know it.
fn dev_dir() -> PathBuf {
    let dir = workspace::root().join("target/dev");
    dir.canonicalize().unwrap_or(dir)
}

/// The stack and what of it this process has started.
pub(crate) struct Dev {
    stack: Arc<Stack>,
    background: Background,
    services_started: Vec<Service>,
    roles_started: Vec<RoleName>,
    running: Option<Running>,
}

struct Running {
    deployment: Deployment,
    customer_token: String,
}

impl Dev {
    /// Looks at what runs; starts nothing.
    pub(crate) fn at_rest() -> Result<Self> {
        let stack = Arc::new(Stack::workspace()?);
        let services_started = test::stopped_services(&stack)?;
        let background = Background::at(&dir());
        let roles_started = ROLES.into_iter().filter(|role| background.running(*role).is_none()).collect();
        Ok(Self { stack, background, services_started, roles_started, running: None })
    }

    /// Starts what doesn't run and brings the rest up to date; returns when everything is ready.
    pub(crate) async fn start(&mut self, progress: &Arc<Progress>) -> Result<()> {
        let _lock = self.lock(progress).await?;
        let (stack, reporting) = (Arc::clone(&self.stack), Arc::clone(progress));
        let services = async { tokio::task::spawn_blocking(move || stack.up(&reporting)).await? };
        let build = async {
            progress.report("building purser");
            workspace::build_purser(workspace::Profile::Dev).await
        };
        let (services, purser_binary) = tokio::join!(services, build);
        let (services, purser_binary) = (services?, purser_binary?);
        self.start_over_where_ceph_is_new(&services, progress).await?;

        progress.report("database, virtual host, plans and customers");
        let settings =
            Settings { order_deadline_seconds: ORDER_DEADLINE_SECONDS, has_notifications: true, ..Settings::default() };
        let config = DeploymentConfig { name: NAME.to_owned(), dir: dir(), purser_binary, settings };
        let deployment = Deployment::keep(&services, config).await?;
        world::seed(&deployment).await?;
        let customer_token = world::issue_token(&deployment, Some(world::CUSTOMER_ID)).await?;
        let admin_token = world::issue_token(&deployment, None).await?;
        self.start_roles(&deployment, progress).await?;
        write_private(&env_file(), &world::environment_file(&deployment, &admin_token, &customer_token)?)?;
        self.running = Some(Running { deployment, customer_token });
        Ok(())
    }

    /// The deployment, once it is started.
    pub(crate) fn deployment(&self) -> Result<&Deployment> {
        Ok(&self.running.as_ref().context("the deployment isn't started")?.deployment)
    }

    /// The token of [`world::CUSTOMER_ID`].
    pub(crate) fn customer_token(&self) -> Result<&str> {
        Ok(&self.running.as_ref().context("the deployment isn't started")?.customer_token)
    }

    /// Stops what this process has started, and nothing else.
    pub(crate) async fn stop(self, progress: Arc<Progress>) -> Result<()> {
        let work = move || {
            for role in ROLES.into_iter().rev().filter(|role| self.roles_started.contains(role)) {
                self.background.stop(role, &progress)?;
            }
            if !self.services_started.is_empty() || !self.roles_started.is_empty() {
                let _ = fs::remove_file(env_file());
            }
            self.stack.down_some(&self.services_started, &progress)
        };
        tokio::task::spawn_blocking(work).await.context("the stop panicked")?
    }

    async fn start_roles(&self, deployment: &Deployment, progress: &Arc<Progress>) -> Result<()> {
        progress.report("gateway, provisioner, metering and billing");
        for role in ROLES {
            if self.background.is_current(role, deployment)? {
                continue;
            }
            let (background, reporting) = (self.background.clone(), Arc::clone(progress));
            tokio::task::spawn_blocking(move || background.stop(role, &reporting)).await??;
            self.background.start(role, deployment)?;
        }
        for role in ROLES {
            self.background.wait_ready(role).await?;
        }
        Ok(())
    }

    /// The private Ceph keeps its objects in memory. After a crash of the machine it is a new one, and accounts from
    /// before would be nowhere.
    async fn start_over_where_ceph_is_new(&self, services: &Services, progress: &Arc<Progress>) -> Result<()> {
        let (path, id) = (dir().join("ceph-id"), self.stack.ceph_id().unwrap_or_default());
        let known = fs::read_to_string(&path).ok();
        if known.is_some_and(|known| known != id) {
            progress.report("Ceph is a new one: starting over with an empty database");
            for role in ROLES {
                let (background, reporting) = (self.background.clone(), Arc::clone(progress));
                tokio::task::spawn_blocking(move || background.stop(role, &reporting)).await??;
            }
            database::drop(services, NAME)?;
            Management::new(services)?.delete_vhost(NAME).await?;
        }
        fs::create_dir_all(dir())?;
        fs::write(&path, id).with_context(|| format!("writing {}", path.display()))
    }

    /// Keeps two from starting the same at once.
    async fn lock(&self, progress: &Arc<Progress>) -> Result<File> {
        let path = dev_dir().join("purser.lock");
        let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        if file.try_lock().is_err() {
            progress.report("another `cargo xtask up` or `demo` is starting; waiting for it");
        }
        tokio::task::spawn_blocking(move || {
            file.lock()?;
            Ok(file)
        })
        .await?
    }
}

/// Writes a file that only we can read, in one step.
fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    let mut file = tempfile::NamedTempFile::new_in(path.parent().context("a file lies in a folder")?)?;
    file.write_all(text.as_bytes())?;
    file.persist(path).map(drop).with_context(|| format!("writing {}", path.display()))
}
