//! Services that somebody else runs, named in the environment.
//!
//! | service | variables |
//! |---|---|
//! | RabbitMQ | `PURSER_AMQP_URL`, `PURSER_AMQP_ADMIN_URL` (with an administrator's name and password), `PURSER_RABBITMQ_API` |
//! | PostgreSQL | `PURSER_DATABASE_URL` (a superuser's) |
//! | Ceph | `PURSER_RGW_URL`, `PURSER_RGW_ACCESS_KEY`, `PURSER_RGW_SECRET_KEY` |

use anyhow::{Context, Result};
use url::Url;

use super::{Service, Services};

/// The part of [`Services`] that the environment gives.
#[derive(Default)]
pub(crate) struct External {
    rabbitmq: Option<RabbitMq>,
    postgres_url: Option<String>,
    rgw: Option<Rgw>,
}

struct RabbitMq {
    host: String,
    port: u16,
    admin_user: String,
    admin_password: String,
    api_url: String,
}

struct Rgw {
    url: String,
    access_key: String,
    secret_key: String,
}

impl External {
    /// Reads the variables through `lookup`; fails where a service is named by halves or by something that is no URL.
    pub(crate) fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let lookup = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let need = |name: &str, because: &str| {
            lookup(name).with_context(|| format!("{because} is set, so {name} must be set too"))
        };
        let rabbitmq = match lookup("PURSER_AMQP_URL") {
            None => None,
            Some(url) => Some(RabbitMq::parse(
                &url,
                &need("PURSER_AMQP_ADMIN_URL", "PURSER_AMQP_URL")?,
                &need("PURSER_RABBITMQ_API", "PURSER_AMQP_URL")?,
            )?),
        };
        let postgres_url = lookup("PURSER_DATABASE_URL");
        if let Some(url) = &postgres_url {
            parse("PURSER_DATABASE_URL", url, "postgres://user:password@host:5432/postgres")?;
        }
        let rgw = match lookup("PURSER_RGW_URL") {
            None => None,
            Some(url) => Some(Rgw {
                url: trimmed(parse("PURSER_RGW_URL", &url, "http://host:7480")?.as_str()),
                access_key: need("PURSER_RGW_ACCESS_KEY", "PURSER_RGW_URL")?,
                secret_key: need("PURSER_RGW_SECRET_KEY", "PURSER_RGW_URL")?,
            }),
        };
        Ok(Self { rabbitmq, postgres_url, rgw })
    }

    /// Without those that are `own`, the private ones: whoever has read `target/dev/env` into a shell names them.
    pub(crate) fn others_than(mut self, own: &Services) -> Self {
        let is_loopback = |host: &str| matches!(host, "127.0.0.1" | "localhost");
        self.rabbitmq = self.rabbitmq.filter(|broker| !(is_loopback(&broker.host) && broker.port == own.amqp_port));
        let own_port = Url::parse(&own.postgres_superuser_url).ok().and_then(|url| url.port());
        let is_own_database = |url: &str| {
            Url::parse(url).is_ok_and(|url| url.host_str().is_some_and(is_loopback) && url.port() == own_port)
        };
        self.postgres_url = self.postgres_url.filter(|url| !is_own_database(url));
        self.rgw = self.rgw.filter(|rgw| rgw.url != own.rgw_url);
        self
    }

    /// The services that the environment doesn't give.
    pub(crate) fn private(&self) -> Vec<Service> {
        let external = [self.rabbitmq.is_some(), self.postgres_url.is_some(), self.rgw.is_some()];
        Service::ALL.into_iter().zip(external).filter(|(_, external)| !external).map(|(service, _)| service).collect()
    }

    /// All services, where the environment gives all.
    pub(crate) fn complete(&self) -> Option<Services> {
        let nothing = Services {
            amqp_host: String::new(),
            amqp_port: 0,
            rabbitmq_admin_user: String::new(),
            rabbitmq_admin_password: String::new(),
            rabbitmq_api_url: String::new(),
            postgres_superuser_url: String::new(),
            postgres_socket_url: String::new(),
            rgw_url: String::new(),
            rgw_access_key: String::new(),
            rgw_secret_key: String::new(),
            amqp_address_of_rgw: None,
            tls_ca_file: None,
        };
        self.private().is_empty().then(|| self.overlay(nothing))
    }

    /// `services` with what the environment gives in its place.
    pub(crate) fn overlay(&self, mut services: Services) -> Services {
        if let Some(broker) = &self.rabbitmq {
            services.amqp_host.clone_from(&broker.host);
            services.amqp_port = broker.port;
            services.rabbitmq_admin_user.clone_from(&broker.admin_user);
            services.rabbitmq_admin_password.clone_from(&broker.admin_password);
            services.rabbitmq_api_url.clone_from(&broker.api_url);
        }
        if let Some(url) = &self.postgres_url {
            services.postgres_superuser_url.clone_from(url);
            services.postgres_socket_url.clone_from(url);
        }
        if let Some(rgw) = &self.rgw {
            services.rgw_url.clone_from(&rgw.url);
            services.rgw_access_key.clone_from(&rgw.access_key);
            services.rgw_secret_key.clone_from(&rgw.secret_key);
        }
        services
    }
}

impl RabbitMq {
    fn parse(url: &str, admin_url: &str, api_url: &str) -> Result<Self> {
        let example = "amqp://user:password@host:5672";
        let url = parse("PURSER_AMQP_URL", url, example)?;
        let admin_url = parse("PURSER_AMQP_ADMIN_URL", admin_url, example)?;
        let api_url = parse("PURSER_RABBITMQ_API", api_url, "http://host:15672")?;
        let password = admin_url
            .password()
            .with_context(|| format!("PURSER_AMQP_ADMIN_URL has no password; expected {example}"))?;
        Ok(Self {
            host: url.host_str().context("PURSER_AMQP_URL names no host")?.to_owned(),
            port: url.port().unwrap_or(5672),
            admin_user: percent_decoded(admin_url.username()),
            admin_password: percent_decoded(password),
            api_url: trimmed(api_url.as_str()),
        })
    }
}

fn parse(name: &str, value: &str, example: &str) -> Result<Url> {
    // The value may hold a password: it isn't repeated.
    Url::parse(value).with_context(|| format!("{name} is not a URL; expected something like {example}"))
}

fn trimmed(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

/// Undoes a URL's percent encoding.
pub(crate) fn percent_decoded(text: &str) -> String {
    let pair = format!("v={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<External> {
        External::from_env(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn nothing_set_means_all_private() {
        let external = read(&[("PURSER_RGW_URL", "")]).expect("empty counts as unset");
        assert_eq!(external.private(), Service::ALL);
        assert!(external.complete().is_none());
    }

    #[test]
    fn everything_set_needs_no_file() {
        let external = read(&[
            ("PURSER_AMQP_URL", "amqp://broker.test"),
            ("PURSER_AMQP_ADMIN_URL", "amqp://admin:p%40ss+1@broker.test"),
            ("PURSER_RABBITMQ_API", "http://broker.test:15672/"),
            ("PURSER_DATABASE_URL", "postgres://postgres@db.test/postgres"),
            ("PURSER_RGW_URL", "http://rgw.test:7480/"),
            ("PURSER_RGW_ACCESS_KEY", "AK"),
            ("PURSER_RGW_SECRET_KEY", "SK"),
        ]);
        let services = external.expect("whole").complete().expect("complete");
        assert_eq!((services.amqp_host.as_str(), services.amqp_port), ("broker.test", 5672));
        assert_eq!(services.rabbitmq_admin_password, "p@ss+1");
        assert_eq!(services.rabbitmq_api_url, "http://broker.test:15672");
        assert_eq!(services.postgres_socket_url, services.postgres_superuser_url);
        assert_eq!(services.rgw_url, "http://rgw.test:7480");
    }

    #[test]
    fn the_private_services_by_their_own_addresses_are_private() {
        let own = read(&[
            ("PURSER_AMQP_URL", "amqp://127.0.0.1:15000"),
            ("PURSER_AMQP_ADMIN_URL", "amqp://admin:secret@127.0.0.1:15000"),
            ("PURSER_RABBITMQ_API", "http://127.0.0.1:15001"),
            ("PURSER_DATABASE_URL", "postgres://postgres:secret@127.0.0.1:15004/postgres"),
            ("PURSER_RGW_URL", "http://127.0.0.1:15005"),
            ("PURSER_RGW_ACCESS_KEY", "AK"),
            ("PURSER_RGW_SECRET_KEY", "SK"),
        ]);
        let own = own.expect("whole").complete().expect("complete");
        let named = |amqp: &str, database: &str| {
            let external = read(&[
                ("PURSER_AMQP_URL", amqp),
                ("PURSER_AMQP_ADMIN_URL", "amqp://admin:secret@broker.test"),
                ("PURSER_RABBITMQ_API", "http://broker.test:15672"),
                ("PURSER_DATABASE_URL", database),
            ]);
            external.expect("whole").others_than(&own).private()
        };
        let private = named("amqp://php-frontend:x@127.0.0.1:15000/purser", "postgres://p:x@localhost:15004/purser");
        assert_eq!(private, Service::ALL);
        let private = named("amqp://127.0.0.1:5672", "postgres://db.test:15004/postgres");
        assert_eq!(private, [Service::Ceph]);
    }

    #[test]
    fn a_service_named_by_halves_is_refused() {
        let error = read(&[("PURSER_RGW_URL", "http://rgw.test")]).err().expect("no keys");
        assert_eq!(error.to_string(), "PURSER_RGW_URL is set, so PURSER_RGW_ACCESS_KEY must be set too");
        let error = read(&[("PURSER_DATABASE_URL", "db.test secret")]).err().expect("no URL");
        assert!(error.to_string().starts_with("PURSER_DATABASE_URL is not a URL"), "{error}");
        assert!(!format!("{error:#}").contains("secret"));
    }
}
