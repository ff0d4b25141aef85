//! `purser config`.

use std::path::Path;

use anyhow::bail;
use clap::Subcommand;
use messages::RoleName;
use runtime::config::Config;

use super::table;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration for every role that has a section in it
    Check {
        /// Print it as JSON: {"file":…,"roles":[…]}
        #[arg(long)]
        json: bool,
    },
}

impl ConfigCommand {
    /// `config` has been read already: what is wrong within single keys has been said.
    pub(super) fn run(self, config: &Config, path: &Path) -> anyhow::Result<()> {
        let Self::Check { json } = self;
        let roles = config.configured_roles();
        if roles.is_empty() {
            bail!("{} has no section for a role: [gateway], [provisioner], [metering] or [billing]", path.display());
        }
        config.validate(&roles)?;
        let names: Vec<_> = roles.into_iter().map(RoleName::as_str).collect();
        if json {
            return table::print_json(&serde_json::json!({"file": path.display().to_string(), "roles": names}));
        }
        println!("{} is sound for {}", path.display(), names.join(", "));
        Ok(())
    }
}
