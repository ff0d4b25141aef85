//! `purser plan`.

use std::path::PathBuf;

use anyhow::bail;
use clap::Subcommand;
use runtime::config::Config;

#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    /// Read plans from a TOML file; a plan that changed becomes a new version
    Import {
        /// The file
        file: PathBuf,
    },
}

impl PlanCommand {
    pub(super) async fn run(self, _config: &Config) -> anyhow::Result<()> {
        let Self::Import { file } = self;
        bail!("{} can't be imported: this build keeps no plans", file.display())
    }
}
