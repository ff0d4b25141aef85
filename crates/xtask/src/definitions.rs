//! `cargo xtask definitions`: what exists on the broker, as a file that operators import.

use std::fs;

use anyhow::{Context, Result, bail};
use bus::Topology;
use clap::Args;

use crate::workspace;

const FILE: &str = "deploy/rabbitmq/definitions.json";

#[derive(Args)]
pub(crate) struct Arguments {
    /// Change nothing; fail where the file is not what it would be
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let path = workspace::root().join(FILE);
    let text = format!("{}\n", serde_json::to_string_pretty(&Topology::purser().definitions_json())?);
    if arguments.check {
        if fs::read_to_string(&path).unwrap_or_default() != text {
            bail!("{FILE} is not what the topology says; refresh it with `cargo xtask definitions`");
        }
        return Ok(());
    }
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
    }
    fs::write(&path, text).with_context(|| format!("writing {FILE}"))
}
