//! Signed requests that the S3 SDK has no words for: Admin Ops, topics and notifications.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta};
use model::{Clock, SystemClock, Timestamp};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap};
use reqwest::{Method, StatusCode};
use tracing::Instrument;
use url::Url;

use super::breaker::Breaker;
use super::sign::signature_headers;
use super::{span, unavailable};
use crate::{S3Keys, StoreError};

/// How many times the time of other requests a slow one has.
const SLOW_FACTOR: u32 = 12;
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(5);
/// How exact the time in an answer's headers is.
const DATE_STEP: TimeDelta = TimeDelta::seconds(1);

/// A connection pool to one radosgw.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: reqwest::Client,
    breaker: Arc<Breaker>,
    slow_timeout: Duration,
}

/// A request, without the headers that sign it. Deliberately without `Debug`: address and body may hold secrets.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: String,
    /// The body with its content type.
    pub(super) body: Option<(&'static str, String)>,
    /// Stands in for the connection's own encryption; see [`super::notifications`].
    pub(super) forwarded_https: bool,
}

/// How a request and the breaker get along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// It fails at once where the store is down.
    IfUp,
    /// The same, but it may well take long: it has more time, and a timeout says nothing about the store.
    Slowly,
    /// It is made even where the store is down.
    Always,
}

/// What radosgw answered. Deliberately without `Debug`: it may hold secrets.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    /// How far the answer's date is ahead of here, as far as that is sure; `None` where it has no date.
    pub(super) clock_ahead: Option<TimeDelta>,
}

impl Http {
    pub(super) fn new(request_timeout: Duration, breaker: Arc<Breaker>) -> Result<Self, StoreError> {
        // The process may have chosen its provider already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(request_timeout)
            .connect_timeout(request_timeout.min(CONNECT_TIMEOUT_MAX))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| StoreError::Misconfigured(format!("no HTTP client: {error}")))?;
        Ok(Self { client, breaker, slow_timeout: request_timeout * SLOW_FACTOR })
    }

    /// Sends `request`, signed with `keys`, and reads its answer whole, whatever its status.
    pub(super) async fn send(&self, request: Request, keys: &S3Keys, ask: Ask) -> Result<Answer, StoreError> {
        let body = request.body.as_ref().map(|(_, body)| body.as_str());
        let mut headers = signature_headers(&request.method, &request.url, body, keys)?;
        if request.forwarded_https {
            headers.insert("x-forwarded-proto", reqwest::header::HeaderValue::from_static("https"));
        }
        let permit = match ask {
            Ask::IfUp | Ask::Slowly => self.breaker.admit()?,
            Ask::Always => self.breaker.admit_always(),
        };
        let span = span::signed_request(&request.method, &request.url);
        let mut call = self.client.request(request.method, request.url).headers(headers);
        if ask == Ask::Slowly {
            call = call.timeout(self.slow_timeout);
        }
        if let Some((content_type, body)) = request.body {
            call = call.header(CONTENT_TYPE, content_type).body(body);
        }
        match exchange(call).instrument(span.clone()).await {
            Ok(answer) => {
                span::answered(&span, answer.status.as_u16());
                permit.answered();
                Ok(answer)
            }
            Err(error) => {
                span::failed(&span, if error.is_timeout() { "timeout" } else { "no_answer" });
                let is_slow = ask == Ask::Slowly && error.is_timeout() && !error.is_connect();
                // Without the URL: its query may hold a secret key.
                let error = unavailable(&error.without_url());
                Err(if is_slow { error } else { permit.failed(error) })
            }
        }
    }
}

async fn exchange(call: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
    let sent = SystemClock.now();
    let response = call.send().await?;
    let clock_ahead = date(response.headers()).map(|date| clock_ahead(date, sent, SystemClock.now()));
    Ok(Answer { status: response.status(), clock_ahead, body: response.bytes().await? })
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = DateTime::parse_from_rfc2822(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(date.to_utc())
}

/// How far a clock that showed `date` between `sent` and `received` is ahead, at the least: dates have whole seconds,
/// and nobody knows when within the exchange it was read. Negative where it is behind.
fn clock_ahead(date: Timestamp, sent: Timestamp, received: Timestamp) -> TimeDelta {
    let (least, most) = (date - received, date + DATE_STEP - sent);
    if least > TimeDelta::zero() {
        least
    } else if most < TimeDelta::zero() {
        most
    } else {
        TimeDelta::zero()
    }
}

/// An address to put paths behind.
pub(super) fn base_url(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_differ_by_no_more_than_can_be_known() {
        let time = |millis: i64| Timestamp::from_timestamp_millis(millis).unwrap();
        for (date, sent, received, ahead) in [
            (10_000, 10_000, 10_000, 0),
            (10_000, 10_900, 11_800, 0),
            (10_000, 9_900, 10_100, 0),
            (10_000, 11_500, 11_600, -500),
            (10_000, 3_610_900, 3_610_950, -3_599_900),
            (10_000, 6_000, 8_000, 2_000),
        ] {
            let found = clock_ahead(time(date), time(sent), time(received));
            assert_eq!(found, TimeDelta::milliseconds(ahead), "{date} {sent} {received}");
        }
    }

    #[test]
    fn dates_are_read_as_http_writes_them() {
        let headers = |text: &'static str| HeaderMap::from_iter([(DATE, text.parse().unwrap())]);
        let read = date(&headers("Sun, 22 Nov 2026 07:25:16 GMT"));
        assert_eq!(read, Some("2026-11-22T07:25:16Z".parse().unwrap()));
        assert_eq!((date(&headers("yesterday")), date(&HeaderMap::new())), (None, None));
    }
}
