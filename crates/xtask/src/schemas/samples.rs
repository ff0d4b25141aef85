//! One sample of everything, as typed values: what compiles here is what the roles read and write.

mod events;
mod failures;
mod invoices;
mod replies;
mod requests;

use std::str::FromStr;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Map, Value};

pub(crate) use events::event;
pub(crate) use failures::refusal;
pub(crate) use replies::reply;
pub(crate) use requests::request;

const S3UID: &str = "5f8e9d2a1b0c4e3f7a6b5c4d3e2f1a0b";
const ORDER_ID: &str = "0193500a-5c1e-7d3f-9a42-6b1f0c2d4e5f";
const PACKAGE: &str = "st-5f8e9d2a1b0c";
const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// A sample file.
pub(crate) struct Sample {
    /// Its name without extension.
    pub(crate) file: String,
    /// What is in it.
    pub(crate) value: Value,
}

/// Reads a typed value from its text.
fn read<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(text: &str) -> Result<T> {
    text.parse().with_context(|| format!("the sample value {text:?}"))
}

/// A type's fields, without those that are absent.
fn fields(value: &impl Serialize) -> Result<Map<String, Value>> {
    let Value::Object(mut map) = serde_json::to_value(value)? else { return Ok(Map::new()) };
    map.retain(|_, value| !value.is_null());
    Ok(map)
}
