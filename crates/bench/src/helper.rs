//! Children of the benchmark, processes of their own so that their processor time is told apart: the floor's server and
//! the stand-in for the store.

use std::process::Stdio;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const READY: &str = "ready";

/// A child that serves until this is dropped.
pub(crate) struct Helper {
    process: u32,
    address: String,
    _child: Child,
}

impl Helper {
    /// Starts this program again as `serve <what>` and waits until it is ready. Passwords go through `variables`: a
    /// command line is visible to everybody.
    pub(crate) async fn start(what: &str, variables: &[(&str, &str)]) -> Result<Self> {
        let program = std::env::current_exe().context("finding this program")?;
        let mut child = Command::new(program)
            .args(["serve", what])
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting `bench serve {what}`"))?;
        let process = child.id().context("a child that runs has an id")?;
        let output = child.stdout.take().context("the child's output is a pipe")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).await?;
        let address = line.trim().strip_prefix(READY).map(|address| address.trim().to_owned());
        let address = address.with_context(|| format!("`bench serve {what}` has ended"))?;
        Ok(Self { process, address, _child: child })
    }

    /// Its process id.
    pub(crate) fn process(&self) -> u32 {
        self.process
    }

    /// Where it serves; empty where that was known before.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

/// In the child: says that it serves, and returns when its parent is gone.
pub(crate) async fn serve_until_parent_ends(address: &str) -> Result<()> {
    println!("{READY} {address}");
    let wait = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    tokio::task::spawn_blocking(wait).await.context("waiting panicked")??;
    Ok(())
}
