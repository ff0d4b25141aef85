//! `purser plan`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use messages::RoleName;
use model::PlanId;
use runtime::config::Config;

use super::journal;

#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    /// Read plans from a TOML file; a plan that changed becomes a new version
    Import {
        /// The file
        file: PathBuf,
    },
}

impl PlanCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let Self::Import { file } = self;
        let text = std::fs::read_to_string(&file).with_context(|| format!("{} can't be read", file.display()))?;
        let journal = journal(config, RoleName::Billing).await?;
        let summary = billing::plans::import(&journal, &text)
            .await
            .with_context(|| format!("{}: nothing was imported", file.display()))?;
        for (what, plans) in
            [("added", &summary.added), ("changed", &summary.changed), ("unchanged", &summary.unchanged)]
        {
            if !plans.is_empty() {
                let ids: Vec<String> = plans.iter().map(PlanId::to_string).collect();
                println!("{what}: {}", ids.join(", "));
            }
        }
        Ok(())
    }
}
