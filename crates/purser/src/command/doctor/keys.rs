//! The keys that seal S3 secrets.

use std::os::unix::fs::PermissionsExt;

use provisioner::rotation;
use runtime::config::Config;

use super::Check;
use crate::command::worker;
use messages::RoleName;

/// Others than the owner and the group.
const OTHERS: u32 = 0o007;

/// Whether the file can be read by the roles, and by nobody else, and opens all that is sealed.
pub(super) async fn checks(config: &Config) -> Vec<Check> {
    let Some(own) = &config.provisioner else { return Vec::new() };
    let file = own.sealing_key_file.display();
    let keys = match worker::sealing_keys(own) {
        Ok(keys) => keys,
        Err(error) => {
            let remedy = "restore it from its backup: without it no secret can be opened";
            return vec![Check::failed("keys.file", format!("{error:#}"), remedy)];
        }
    };
    let mode = std::fs::metadata(&own.sealing_key_file).map_or(0, |found| found.permissions().mode());
    let readable = if mode & OTHERS == 0 {
        Check::ok("keys.file", format!("{file}: {} keys", keys.ids().count()))
    } else {
        Check::warning("keys.file", format!("{file} is open to everybody on this machine"), format!("chmod o= {file}"))
    };
    let inventory = match worker::pool(RoleName::Provisioner, &own.database_url, config) {
        Ok(pool) => rotation::inventory(&pool, &keys).await.map_err(|error| error.to_string()),
        Err(error) => Err(format!("{error:#}")),
    };
    let known: Vec<_> = keys.ids().collect();
    let opened = match inventory {
        Err(error) => Check::failed("keys.opened", error, "see database.provisioner"),
        Ok(inventory) => {
            let is_lost = |key: &Option<_>| !key.as_ref().is_some_and(|key| known.contains(key));
            let lost: u64 = inventory.iter().filter(|entry| is_lost(&entry.key)).map(rotation::SealedWith::total).sum();
            if lost == 0 {
                Check::ok("keys.opened", "the file has the key of every sealed secret")
            } else {
                let remedy = "put the missing key back into the file; `purser keys rotate --check` names it";
                Check::failed(
                    "keys.opened",
                    format!("{lost} secrets are sealed with a key that the file lacks"),
                    remedy,
                )
            }
        }
    };
    vec![readable, opened]
}
