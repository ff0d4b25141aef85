//! Where the workspace is, and cargo in it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::process::Command;

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_dir.ancestors().nth(2).unwrap_or(crate_dir).to_owned()
}

/// A cargo command there, with the cargo that runs us.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root()).kill_on_drop(true);
    // What cargo set for us says nothing about what is built now.
    for (name, _) in env::vars_os() {
        let is_ours = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(is_ours) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end; fails where it fails.
pub(crate) async fn run(mut command: Command, what: &str) -> Result<()> {
    let status = command.status().await.with_context(|| format!("running {what}"))?;
    if !status.success() {
        bail!("{what} failed ({status})");
    }
    Ok(())
}

/// How it is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quickly.
    Dev,
    /// As operators run it.
    Release,
}

impl Profile {
    pub(crate) const fn release_if(is_release: bool) -> Self {
        if is_release { Self::Release } else { Self::Dev }
    }
}

/// Builds the binary `purser` and returns its path; cargo's progress goes to standard error.
pub(crate) async fn build_purser(profile: Profile) -> Result<PathBuf> {
    build("purser", profile).await
}

/// Builds a binary of the workspace and returns its path.
pub(crate) async fn build(name: &str, profile: Profile) -> Result<PathBuf> {
    let mut build = cargo(&["build", "--workspace", "--bin", name, "--message-format=json-render-diagnostics"]);
    if profile == Profile::Release {
        build.arg("--release");
    }
    let output = build.stdin(Stdio::null()).stderr(Stdio::inherit()).output().await.context("running cargo build")?;
    if !output.status.success() {
        bail!("`cargo build --bin {name}` failed");
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|message| {
        let is_ours = message["target"]["name"] == name && message["target"]["kind"][0] == "bin";
        is_ours.then(|| message["executable"].as_str().map(PathBuf::from)).flatten()
    });
    executable.with_context(|| format!("`cargo build --bin {name}` named no program"))
}
