//! `cargo xtask definitions`: what exists on the broker and how it is configured, as files that operators install.

use std::fs;

use anyhow::{Context, Result, bail};
use bus::Topology;
use clap::Args;
use serde_json::Value;

use crate::workspace;

const DIR: &str = "deploy/rabbitmq";
/// The name that all examples use.
const VHOST: &str = "purser";

#[derive(Args)]
pub(crate) struct Arguments {
    /// Change nothing; fail where a file is not what it would be
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let dir = workspace::root().join(DIR);
    fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    for (name, text) in files()? {
        let path = dir.join(name);
        if !arguments.check {
            fs::write(&path, text).with_context(|| format!("writing {DIR}/{name}"))?;
        } else if fs::read_to_string(&path).unwrap_or_default() != text {
            bail!("{DIR}/{name} is not what the topology says; refresh it with `cargo xtask definitions`");
        }
    }
    Ok(())
}

/// Names and contents: for one virtual host, for a whole broker, and the configuration that loads the latter.
fn files() -> Result<[(&'static str, String); 3]> {
    let pretty =
        |definitions: &Value| Ok::<_, anyhow::Error>(format!("{}\n", serde_json::to_string_pretty(definitions)?));
    let topology = Topology::purser();
    Ok([
        ("definitions.json", pretty(&topology.definitions_json())?),
        ("broker-definitions.json", pretty(&topology.broker_definitions_json(VHOST))?),
        ("rabbitmq.conf", Topology::rabbitmq_conf()),
    ])
}
