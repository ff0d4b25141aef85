//! Checks that need more than one key, or the machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use messages::RoleName;
use secrecy::{ExposeSecret, SecretString};

use super::values::user_of;
use super::{Config, ConfigError, Locations, Problem};

impl Config {
    /// Checks that there is everything these roles need: their sections, locations, and readable key files.
    pub fn validate(&self, roles: &[RoleName]) -> Result<(), ConfigError> {
        let problems: Vec<_> = roles.iter().flat_map(|role| self.problems_of(*role)).collect();
        if problems.is_empty() { Ok(()) } else { Err(deduplicated(problems)) }
    }

    /// The roles whose sections are there.
    pub fn configured_roles(&self) -> Vec<RoleName> {
        [
            (RoleName::Gateway, self.gateway.is_some()),
            (RoleName::Provisioner, self.provisioner.is_some()),
            (RoleName::Metering, self.metering.is_some()),
            (RoleName::Billing, self.billing.is_some()),
        ]
        .into_iter()
        .filter_map(|(role, configured)| configured.then_some(role))
        .collect()
    }

    fn problems_of(&self, role: RoleName) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.configured_roles().contains(&role) {
            let message = format!("is required: a section [{role}] with at least amqp_url and database_url");
            problems.push(Problem::new(role.as_str(), message));
        }
        let needs_rgw = matches!(role, RoleName::Provisioner | RoleName::Metering);
        if self.locations.is_empty() && role != RoleName::Gateway {
            let message = "at least one is required, for example [locations.NL] with rgw_url";
            problems.push(Problem::new("locations", message));
        }
        for (code, location) in self.locations.iter().filter(|_| needs_rgw) {
            if location.rgw.is_none() {
                let message = format!("{role} needs rgw_url, admin_access_key and admin_secret_key here");
                problems.push(Problem::new(format!("locations.{code}"), message));
            }
        }
        if let Some(user) = self.amqp_user(role)
            && user != self.amqp.own_users.of(role)
        {
            let own = self.amqp.own_users.of(role);
            let message =
                format!("logs in as {user}, but the other roles trust {own}: set amqp.own_users.{role} = {user:?}");
            problems.push(Problem::new(format!("{role}.amqp_url"), message));
        }
        if let (RoleName::Provisioner, Some(provisioner)) = (role, &self.provisioner)
            && let Err(message) = readable(&provisioner.sealing_key_file)
        {
            problems.push(Problem::new("provisioner.sealing_key_file", message));
        }
        if let Some(Err(message)) = self.amqp.ca_file.as_deref().map(readable) {
            problems.push(Problem::new("amqp.ca_file", message));
        }
        problems
    }

    /// The broker user that a role's URL names.
    fn amqp_user(&self, role: RoleName) -> Option<String> {
        user_of(self.amqp_url_of(role)?)
    }

    /// The broker's URL of a role that has a section.
    pub fn amqp_url_of(&self, role: RoleName) -> Option<&SecretString> {
        match role {
            RoleName::Gateway => self.gateway.as_ref().map(|section| &section.amqp_url),
            RoleName::Provisioner => self.provisioner.as_ref().map(|section| &section.amqp_url),
            RoleName::Metering => self.metering.as_ref().map(|section| &section.amqp_url),
            RoleName::Billing => self.billing.as_ref().map(|section| &section.amqp_url),
        }
    }

    /// The database's URL of a role that has a section.
    pub fn database_url_of(&self, role: RoleName) -> Option<&SecretString> {
        match role {
            RoleName::Gateway => self.gateway.as_ref().map(|section| &section.database_url),
            RoleName::Provisioner => self.provisioner.as_ref().map(|section| &section.database_url),
            RoleName::Metering => self.metering.as_ref().map(|section| &section.database_url),
            RoleName::Billing => self.billing.as_ref().map(|section| &section.database_url),
        }
    }
}

/// Whoever names an authority wants TLS, and must not miss it because of one letter.
pub(super) fn plain_broker_urls(config: &Config) -> Vec<Problem> {
    if config.amqp.ca_file.is_none() {
        return Vec::new();
    }
    let roles = [RoleName::Gateway, RoleName::Provisioner, RoleName::Metering, RoleName::Billing];
    let urls = roles.map(|role| (format!("{role}.amqp_url"), config.amqp_url_of(role)));
    let administrator = ("amqp.url".to_owned(), config.amqp.url.as_ref());
    let is_plain = |url: &SecretString| !url.expose_secret().starts_with("amqps://");
    let plain = urls.into_iter().chain([administrator]).filter(|(_, url)| url.is_some_and(is_plain));
    plain.map(|(key, _)| Problem::new(key, "must begin with amqps://, because amqp.ca_file is set")).collect()
}

/// Several roles may miss the same thing.
fn deduplicated(problems: Vec<Problem>) -> ConfigError {
    let mut unique: Vec<Problem> = Vec::with_capacity(problems.len());
    for problem in problems {
        if !unique.contains(&problem) {
            unique.push(problem);
        }
    }
    ConfigError(unique)
}

fn readable(path: &Path) -> Result<(), String> {
    match fs::File::open(path).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_file() && metadata.len() > 0 => Ok(()),
        Ok(metadata) if metadata.is_file() => Err(format!("{} is empty", path.display())),
        Ok(_) => Err(format!("{} is no file", path.display())),
        Err(error) => Err(format!("{} can't be read: {error}", path.display())),
    }
}

/// Every name means one location, and exactly one is the default.
pub(super) fn names_and_default(locations: &Locations) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut owners = BTreeMap::new();
    for (code, _) in locations.iter() {
        owners.insert(code, code);
    }
    for (code, location) in locations.iter() {
        for alias in &location.aliases {
            let owner = *owners.entry(alias).or_insert(code);
            if owner != code {
                let message = format!("{alias} means {owner} already; a name stands for one location");
                problems.push(Problem::new(format!("locations.{code}.aliases"), message));
            }
        }
    }
    let defaults: Vec<_> =
        locations.iter().filter(|(_, location)| location.default).map(|(code, _)| code.as_str()).collect();
    if !locations.is_empty() && defaults.len() != 1 {
        let found = if defaults.is_empty() { "none".to_owned() } else { defaults.join(" and ") };
        let message = format!("exactly one location must have default = true, but it is {found}");
        problems.push(Problem::new("locations", message));
    }
    problems
}
