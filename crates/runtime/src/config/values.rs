//! How single values are read. Each error says what would be right and repeats nothing that could be a secret.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use ::config::{Value, ValueKind};
use model::Location;
use rust_decimal::Decimal;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::LogFormat;

pub(super) type Parsed<T> = Result<T, String>;

pub(super) fn text(value: &Value) -> Parsed<String> {
    match &value.kind {
        ValueKind::String(text) if text.trim().is_empty() => Err("must not be empty".to_owned()),
        ValueKind::String(text) => Ok(text.clone()),
        _ => Err("must be a text in quotes".to_owned()),
    }
}

pub(super) fn secret(value: &Value) -> Parsed<SecretString> {
    text(value).map(SecretString::from)
}

pub(super) fn path(value: &Value) -> Parsed<PathBuf> {
    text(value).map(PathBuf::from)
}

/// A list, or in a variable a text with commas.
pub(super) fn texts(value: &Value) -> Parsed<Vec<String>> {
    match &value.kind {
        ValueKind::Array(items) => items.iter().map(text).collect(),
        ValueKind::String(list) => {
            Ok(list.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
        }
        _ => Err("must be a list of texts, for example [\"a\", \"b\"]".to_owned()),
    }
}

pub(super) fn boolean(value: &Value) -> Parsed<bool> {
    match &value.kind {
        ValueKind::Boolean(value) => Ok(*value),
        ValueKind::String(text) => text.parse().map_err(|_| format!("must be true or false, not {text:?}")),
        _ => Err("must be true or false".to_owned()),
    }
}

/// An integer of any type within bounds.
pub(super) fn integer<T>(bounds: RangeInclusive<T>) -> impl Fn(&Value) -> Parsed<T>
where
    T: TryFrom<i64> + PartialOrd + std::fmt::Display,
{
    move |value| {
        let number = match &value.kind {
            ValueKind::I64(number) => Some(*number),
            ValueKind::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| bounds.contains(number))
            .ok_or_else(|| format!("must be an integer from {} to {}", bounds.start(), bounds.end()))
    }
}

/// An exact number from 0 to 100; best as a text, which has no rounding.
pub(super) fn percent(value: &Value) -> Parsed<Decimal> {
    let text = match &value.kind {
        ValueKind::String(text) => text.trim().to_owned(),
        ValueKind::I64(number) => number.to_string(),
        ValueKind::Float(number) => number.to_string(),
        _ => String::new(),
    };
    text.parse::<Decimal>()
        .ok()
        .filter(|percent| *percent >= Decimal::ZERO && *percent <= Decimal::ONE_HUNDRED)
        .ok_or_else(|| "must be a percentage from 0 to 100, for example \"19.0\"".to_owned())
}

/// One of a few words.
pub(super) fn one_of(words: &'static [&'static str]) -> impl Fn(&Value) -> Parsed<String> {
    move |value| {
        let text = text(value)?;
        if words.contains(&text.as_str()) {
            Ok(text)
        } else {
            Err(format!("must be {}, not {text:?}", words.join(" or ")))
        }
    }
}

pub(super) fn socket_address(value: &Value) -> Parsed<SocketAddr> {
    let text = text(value)?;
    text.parse().map_err(|_| format!("must be an address and a port, for example 127.0.0.1:8080, not {text:?}"))
}

/// Single addresses, no networks.
pub(super) fn ip_addresses(value: &Value) -> Parsed<Vec<IpAddr>> {
    let address = |text: &String| {
        text.parse().map_err(|_| format!("must be a list of addresses, for example [\"10.0.0.1\"], not {text:?}"))
    };
    texts(value)?.iter().map(address).collect()
}

pub(super) fn locations(value: &Value) -> Parsed<Vec<Location>> {
    texts(value)?.iter().map(|text| text.parse().map_err(|_| alias_rule(text))).collect()
}

fn alias_rule(text: &str) -> String {
    format!("aliases have 2 to 16 characters of a-z, 0-9 and -, for example eu-west-1, not {text:?}")
}

pub(super) fn log_format(value: &Value) -> Parsed<LogFormat> {
    match text(value)?.as_str() {
        "pretty" => Ok(LogFormat::Pretty),
        "json" => Ok(LogFormat::Json),
        other => Err(format!("must be \"pretty\" or \"json\", not {other:?}")),
    }
}

pub(super) fn log_filter(value: &Value) -> Parsed<String> {
    let text = text(value)?;
    match tracing_subscriber::EnvFilter::try_new(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(format!("must be a level or a filter, for example \"info,bus=debug\": {error}")),
    }
}

pub(super) fn database_url(value: &Value) -> Parsed<SecretString> {
    credentials_url(value, &["postgres", "postgresql"], "postgres://user:password@host:5432/purser")
}

pub(super) fn amqp_url(value: &Value) -> Parsed<SecretString> {
    credentials_url(value, &["amqp", "amqps"], "amqp://user:password@host:5672/purser")
}

/// The user that a URL with credentials names.
pub(super) fn user_of(url: &SecretString) -> Option<String> {
    let url = Url::parse(url.expose_secret()).ok()?;
    let name = percent_encoding::percent_decode_str(url.username()).decode_utf8().ok()?.into_owned();
    (!name.is_empty()).then_some(name)
}

fn credentials_url(value: &Value, schemes: &[&str], example: &str) -> Parsed<SecretString> {
    let text = text(value)?;
    let sound = Url::parse(&text).is_ok_and(|url| schemes.contains(&url.scheme()) && url.host_str().is_some());
    if sound { Ok(text.into()) } else { Err(format!("must be a URL like {example}")) }
}

pub(super) fn http_url(value: &Value) -> Parsed<Url> {
    url_like(value, "https://s3.example.net")
}

/// A collector's address.
pub(super) fn collector_url(value: &Value) -> Parsed<Url> {
    url_like(value, "http://collector:4318")
}

fn url_like(value: &Value, example: &str) -> Parsed<Url> {
    let text = text(value)?;
    Url::parse(&text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some())
        .filter(|url| url.username().is_empty() && url.password().is_none() && url.query().is_none())
        .ok_or_else(|| format!("must be a URL like {example}, without user and query"))
}
