//! The end-to-end tests on the services of `docker-compose.yml`.

use anyhow::{Result, bail};
use tokio::signal::unix::Signal;

use super::project::Project;
use crate::workspace;

/// Those that show what differs where the services are containers: addresses, notifications, permissions, the usage
/// log, quotas. The others would take ten minutes to say the same as on this machine's own services.
pub(super) const DEFAULT: &str = "main_job::,services::,s3::,traffic::,usage::,quota::,watching::,permissions::,\
                                  topology::,doctor::,isolation::,keys::,storage_http::,callbacks::";

/// Runs the tests whose names contain one of these words.
///
/// Tests have broker users and database roles of their own, under the names of the stack's: those stop here.
pub(super) async fn run(project: &Project<'_>, names: &[String], interrupted: &mut Signal) -> Result<()> {
    project.stop_roles()?;
    let mut file = tempfile::NamedTempFile::new()?;
    serde_json::to_writer(&mut file, &project.services()?)?;
    let mut tests = workspace::cargo(&["test", "--workspace", "--test", "e2e", "--"]);
    tests.args(names.iter().filter(|name| *name != "all")).env("PURSER_SERVICES_FILE", file.path());
    tokio::select! {
        done = workspace::run(tests, "the end-to-end tests on the stack") => done,
        _ = interrupted.recv() => bail!("interrupted before the end"),
    }
}
