//! A stand-in for the store that answers at once: those calls of radosgw's Admin Ops API and of S3 that Purser makes for
//! orders, new buckets and readings of usage. State is in memory, signatures aren't looked at.

mod usage_log;

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use test_support::services::Services;
use tokio::net::{TcpListener, TcpStream};

use crate::helper::{self, Helper};
use crate::store::usage_log::UsageLog;

/// What a bucket that was filled holds.
const BUCKET_BYTES: u64 = 1_234_567;
const BUCKET_OBJECTS: u64 = 12;
/// What a bucket grows by when it has traffic.
const GROWTH_BYTES: u64 = 1_000;

/// The so-manieth user of many.
pub(crate) fn user_id(number: usize) -> String {
    format!("{number:032x}")
}

/// Starts it as a process of its own, and names it as the store of `services`.
pub(crate) async fn start(services: &Services) -> Result<(Helper, Services)> {
    let helper = Helper::start("store", &[]).await?;
    let services = Services { rgw_url: format!("http://{}", helper.address()), ..services.clone() };
    Ok((helper, services))
}

/// Its process.
pub(crate) async fn serve() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?.to_string();
    let store = Arc::<Mutex<Store>>::default();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, Arc::clone(&store)));
        }
    });
    helper::serve_until_parent_ends(&address).await
}

async fn connection(stream: TcpStream, store: Arc<Mutex<Store>>) {
    // Slower without, but not wrong.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = store.answer(request.method(), request.uri(), request.headers());
        async { Ok::<_, Infallible>(answer) }
    });
    // A client that goes away ends its connection.
    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// Users and buckets.
#[derive(Default)]
struct Store {
    users: BTreeMap<String, User>,
    /// Access key to user.
    keys: HashMap<String, String>,
    owners: HashMap<String, String>,
    usage_log: UsageLog,
}

#[derive(Default)]
struct User {
    access_key: String,
    secret_key: String,
    /// With the bytes that each holds.
    buckets: BTreeMap<String, u64>,
}

impl Store {
    fn answer(&mut self, method: &Method, uri: &hyper::Uri, headers: &HeaderMap) -> Response<String> {
        let parameters: HashMap<String, String> =
            url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let parameter = |name: &str| parameters.get(name).cloned().unwrap_or_default();
        let uid = parameter("uid");
        let json = |value: &Value| response(200, "application/json", value.to_string());
        match (method, uri.path()) {
            (&Method::PUT, "/admin/user") if parameters.contains_key("quota") => response(200, "", String::new()),
            (&Method::PUT, "/admin/user") => {
                self.add_user(&uid, parameter("access-key"), parameter("secret-key"));
                json(&self.user(&uid))
            }
            (&Method::GET, "/admin/user") => json(&self.user(&uid)),
            (&Method::GET, "/admin/bucket") => json(&self.buckets(&uid)),
            (&Method::GET, "/admin/usage") => {
                let shown = self.usage_log.shown(&parameter("start"), &parameter("end"), &uid);
                response(200, "application/json", shown)
            }
            // Not radosgw's: buckets as their owner would have filled them.
            (&Method::POST, "/fill") => {
                self.fill(&uid, &parameter("prefix"), parameter("count").parse().unwrap_or_default());
                response(200, "", String::new())
            }
            // Neither: buckets of many users at once, and traffic of every so-manieth bucket.
            (&Method::POST, "/populate") => {
                self.populate(
                    parameter("users").parse().unwrap_or_default(),
                    parameter("buckets").parse().unwrap_or_default(),
                );
                response(200, "", String::new())
            }
            (&Method::POST, "/traffic") => {
                self.traffic(parameter("every").parse().unwrap_or(1));
                response(200, "", String::new())
            }
            (&Method::PUT, path) => self.create_bucket(path.trim_matches('/'), headers),
            (&Method::GET, "/") => response(200, "application/xml", "<ListAllMyBucketsResult/>".to_owned()),
            (method, path) => {
                response(501, "application/json", json!({ "Code": format!("{method} {path}") }).to_string())
            }
        }
    }

    fn add_user(&mut self, uid: &str, access_key: String, secret_key: String) {
        self.keys.insert(access_key.clone(), uid.to_owned());
        self.users.insert(uid.to_owned(), User { access_key, secret_key, ..User::default() });
    }

    /// A user as radosgw shows it; the administrator, whom nobody has added, has no keys.
    fn user(&self, uid: &str) -> Value {
        let keys = self
            .users
            .get(uid)
            .map(|user| json!({ "user": uid, "access_key": user.access_key, "secret_key": user.secret_key }));
        json!({
            "user_id": uid, "display_name": uid, "suspended": 0, "max_buckets": 1000, "op_mask": "read, write, delete",
            "system": "false", "keys": keys.into_iter().collect::<Vec<_>>(), "caps": [],
        })
    }

    fn buckets(&self, uid: &str) -> Value {
        let buckets = self.users.get(uid).into_iter().flat_map(|user| &user.buckets);
        let shown = buckets.map(|(name, bytes)| {
            let objects = if *bytes > 0 { BUCKET_OBJECTS } else { 0 };
            json!({
                "bucket": name, "owner": uid, "creation_time": "2026-01-01T00:00:00.000000Z",
                "usage": { "rgw.main": { "size": bytes, "size_actual": bytes, "num_objects": objects } },
            })
        });
        shown.collect()
    }

    fn fill(&mut self, uid: &str, prefix: &str, count: usize) {
        let Some(user) = self.users.get_mut(uid) else { return };
        for number in 0..count {
            let name = format!("{prefix}-{number:04}");
            self.owners.insert(name.clone(), uid.to_owned());
            user.buckets.insert(name, BUCKET_BYTES);
        }
    }

    fn populate(&mut self, users: usize, buckets: usize) {
        for number in 0..users {
            let uid = user_id(number);
            self.users.entry(uid.clone()).or_default();
            self.fill(&uid, &uid, buckets);
        }
    }

    /// Objects are put into every so-manieth bucket and read from it.
    fn traffic(&mut self, every: usize) {
        let buckets =
            self.users.iter_mut().flat_map(|(uid, user)| user.buckets.iter_mut().map(move |found| (uid, found)));
        let mut busy = Vec::new();
        for (uid, (bucket, bytes)) in buckets.step_by(every.max(1)) {
            *bytes += GROWTH_BYTES;
            busy.push((uid.as_str(), bucket.as_str()));
        }
        self.usage_log.add(busy.into_iter());
    }

    fn create_bucket(&mut self, name: &str, headers: &HeaderMap) -> Response<String> {
        let error =
            |status, code: &str| response(status, "application/xml", format!("<Error><Code>{code}</Code></Error>"));
        let signed = headers.get(hyper::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key = signed.and_then(|value| value.split_once("Credential=")).and_then(|(_, rest)| rest.split('/').next());
        let Some(uid) = key.and_then(|key| self.keys.get(key)) else { return error(403, "InvalidAccessKeyId") };
        let owner = self.owners.entry(name.to_owned()).or_insert_with(|| uid.clone());
        if owner != uid {
            return error(409, "BucketAlreadyExists");
        }
        if let Some(user) = self.users.get_mut(uid) {
            user.buckets.entry(name.to_owned()).or_default();
        }
        response(200, "", String::new())
    }
}

fn response(status: u16, content_type: &str, body: String) -> Response<String> {
    let mut builder = Response::builder().status(status);
    if !content_type.is_empty() {
        builder = builder.header(hyper::header::CONTENT_TYPE, content_type);
    }
    builder.body(body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(store: &mut Store, method: &Method, path: &str, key: &str) -> (u16, String) {
        let mut headers = HeaderMap::new();
        let signed = format!("AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/s3/aws4_request, Signature=0");
        headers.insert(hyper::header::AUTHORIZATION, signed.parse().expect("a header"));
        let answer = store.answer(method, &path.parse().expect("a path"), &headers);
        (answer.status().as_u16(), answer.into_body())
    }

    #[test]
    fn a_bucket_belongs_to_whoever_made_it_first() {
        let mut store = Store::default();
        for (uid, key) in [("ada", "A"), ("bob", "B")] {
            let user = format!("/admin/user?uid={uid}&access-key={key}&secret-key=s");
            assert_eq!(ask(&mut store, &Method::PUT, &user, "admin").0, 200);
        }
        for (key, status) in [("A", 200), ("A", 200), ("B", 409), ("C", 403)] {
            assert_eq!(ask(&mut store, &Method::PUT, "/files/", key).0, status, "{key}");
        }
        assert_eq!(ask(&mut store, &Method::POST, "/fill?uid=ada&prefix=more&count=2", "").0, 200);
        let (_, buckets) = ask(&mut store, &Method::GET, "/admin/bucket?uid=ada&stats=True", "admin");
        let buckets: Value = serde_json::from_str(&buckets).expect("JSON");
        let shown = |index: usize| (&buckets[index]["bucket"], &buckets[index]["usage"]["rgw.main"]["size"]);
        assert_eq!((shown(0), shown(2)), ((&json!("files"), &json!(0)), (&json!("more-0001"), &json!(BUCKET_BYTES))));
    }
}
