//! The places where customers' data can be, and the RGW that serves each.

use std::collections::BTreeMap;

use model::Location;
use secrecy::SecretString;
use url::Url;

use super::reader::Section;
use super::values::{amqp_url, boolean, http_url, locations, one_of, secret, text};

/// All locations, by code.
#[derive(Debug, Clone, Default)]
pub struct Locations(BTreeMap<Location, LocationConfig>);

/// `[locations.<CODE>]`.
#[derive(Debug, Clone)]
pub struct LocationConfig {
    /// S3 as customers reach it.
    pub s3_url: Url,
    /// The RGW behind it, in processes that talk to it.
    pub rgw: Option<RgwConfig>,
    /// Other names that clients may use.
    pub aliases: Vec<Location>,
    /// Whether it is meant where none is named.
    pub default: bool,
    /// How its RGW tells of changed buckets; it doesn't where this is absent.
    pub notifications: Option<NotificationConfig>,
}

/// How a location's RGW tells of changed buckets.
#[derive(Debug, Clone)]
pub struct NotificationConfig {
    /// The broker as RGW reaches it, with RGW's own broker user.
    pub amqp_url: SecretString,
    /// The topic's name on RGW, which is the routing key, too.
    pub topic: String,
    /// What RGW waits for: `none`, `broker` or `routable`.
    pub ack_level: String,
    /// Whether RGW keeps what it could not send.
    pub is_persistent: bool,
}

/// How the Admin Ops API of a location is reached.
#[derive(Debug, Clone)]
pub struct RgwConfig {
    /// The RGW's address.
    pub url: Url,
    /// The access key of an RGW user with the caps that Purser needs.
    pub admin_access_key: String,
    /// Its secret key.
    pub admin_secret_key: SecretString,
}

impl Locations {
    /// The code behind a code or an alias.
    pub fn resolve(&self, name: &Location) -> Option<&Location> {
        if let Some((code, _)) = self.0.get_key_value(name) {
            return Some(code);
        }
        self.0.iter().find(|(_, location)| location.aliases.contains(name)).map(|(code, _)| code)
    }

    /// The location that is meant where none is named.
    pub fn default_code(&self) -> Option<&Location> {
        self.0.iter().find(|(_, location)| location.default).map(|(code, _)| code)
    }

    /// The location of a code.
    pub fn get(&self, code: &Location) -> Option<&LocationConfig> {
        self.0.get(code)
    }

    /// All of them, by code.
    pub fn iter(&self) -> impl Iterator<Item = (&Location, &LocationConfig)> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Reads `[locations]`, and checks that names mean one location each and that one is the default.
pub(super) fn read(section: Section<'_>) -> Locations {
    let (entries, problems) = section.into_entries();
    let mut found = BTreeMap::new();
    let mut broken = false;
    for (name, value) in entries {
        let mut section = Section::new(format!("locations.{name}"), value, problems);
        let code = match name.parse::<Location>() {
            Ok(code) if code.as_str() == name => Some(code),
            _ => {
                section
                    .problem("", "must be named by 2 to 16 characters of A-Z, 0-9 and -, for example [locations.NL]");
                None
            }
        };
        match (code, location(&name, section)) {
            (Some(code), Some(location)) => drop(found.insert(code, location)),
            _ => broken = true,
        }
    }
    // One location needs no mark to be the default.
    if let (1, Some(only)) = (found.len(), found.values_mut().next()) {
        only.default = true;
    }
    let locations = Locations(found);
    if !broken {
        problems.extend(super::check::names_and_default(&locations));
    }
    locations
}

fn location(name: &str, mut section: Section<'_>) -> Option<LocationConfig> {
    // Whoever gives one of these talks to the RGW and needs them all.
    let talks_to_rgw = ["admin_access_key", "admin_secret_key"].into_iter().any(|key| section.has(key));
    let s3_url_is_needed = !section.has("rgw_url");
    let rgw_url =
        if talks_to_rgw { section.required("rgw_url", http_url) } else { section.optional("rgw_url", http_url) };
    let rgw =
        if talks_to_rgw {
            let admin_access_key = section.required("admin_access_key", text);
            let admin_secret_key = section.required("admin_secret_key", secret);
            rgw_url.clone().zip(admin_access_key).zip(admin_secret_key).map(
                |((url, admin_access_key), admin_secret_key)| RgwConfig { url, admin_access_key, admin_secret_key },
            )
        } else {
            // Asked for so that they are among the keys that a message about an unknown one lists.
            section.optional("admin_access_key", text);
            section.optional("admin_secret_key", secret);
            None
        };
    let s3_url =
        if s3_url_is_needed { section.required("s3_url", http_url) } else { section.optional("s3_url", http_url) };
    let aliases = section.or("aliases", Vec::new(), locations);
    let default = section.or("default", false, boolean);
    let notifications = notifications(name, &mut section);
    section.finish();
    Some(LocationConfig { s3_url: s3_url.or(rgw_url)?, rgw, aliases, default, notifications })
}

fn notifications(name: &str, section: &mut Section<'_>) -> Option<NotificationConfig> {
    let amqp_url = section.optional("notification_amqp_url", amqp_url);
    let topic = section.or("notification_topic", format!("purser-{}", name.to_ascii_lowercase()), text);
    // With confirms, Ceph 16 crashes within some hundred notifications.
    let ack_level = section.or("notification_ack_level", "none".to_owned(), one_of(&["none", "broker", "routable"]));
    let is_persistent = section.or("notification_persistent", false, boolean);
    Some(NotificationConfig { amqp_url: amqp_url?, topic, ack_level, is_persistent })
}
