//! The roles' databases.

use messages::RoleName;
use runtime::config::Config;

use super::Check;
use crate::command::worker;

/// Whether the workers that have a section can log in to the database.
pub(super) async fn checks(config: &Config) -> Vec<Check> {
    let urls = [
        (RoleName::Provisioner, config.provisioner.as_ref().map(|own| &own.database_url)),
        (RoleName::Metering, config.metering.as_ref().map(|own| &own.database_url)),
        (RoleName::Billing, config.billing.as_ref().map(|own| &own.database_url)),
    ];
    let mut checks = Vec::new();
    for (role, url) in urls {
        let Some(url) = url else { continue };
        let name = format!("database.{role}");
        let answer = match worker::pool(role, url, config) {
            Ok(pool) => sqlx::query("SELECT 1 FROM answered_commands LIMIT 1").execute(&pool).await.map_err(Into::into),
            Err(error) => Err(error),
        };
        checks.push(match answer {
            Ok(_) => Check::ok(name, "logs in and finds its tables"),
            Err(error) => {
                let remedy = format!("check {role}.database_url, then run `purser migrate`");
                Check::failed(name, format!("{error:#}"), remedy)
            }
        });
    }
    checks
}
