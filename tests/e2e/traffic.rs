//! Everything that a customer may do over S3, with what it really sends and receives.

use std::collections::BTreeMap;
use std::fmt::Write;

use model::{Clock, SystemClock, month_start};
use object_store::ObjectStore;
use object_store::ceph::CephStore;
use reqwest::Method;
use serde_json::Value;

use crate::s3::{S3Answer, S3Client, S3Request};
use crate::text;

const PART_BYTES: usize = 5 << 20;
/// What the store makes of this on a bucket: anybody may read what is in it.
const PUBLIC: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",
    "Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/public/*"}]}"#;
const VERSIONED: &str = r#"<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>"#;

/// Traffic of one category.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) operations: u64,
    pub(crate) successful: u64,
}

/// By RGW's category.
pub(crate) type Traffic = BTreeMap<String, Counts>;

/// A customer who notes what each request really sent and received as bodies.
pub(crate) struct Customer {
    pub(crate) s3: S3Client,
    pub(crate) noted: Traffic,
}

impl Customer {
    async fn send(&mut self, category: &str, request: S3Request) -> S3Answer {
        let answer = self.s3.send(&request).await;
        assert!(answer.status < 300, "{request:?}: {answer:?}");
        self.note(category, &request, &answer);
        answer
    }

    async fn send_unsigned(&mut self, category: &str, request: S3Request) -> S3Answer {
        let answer = self.s3.send_unsigned(&request).await;
        self.note(category, &request, &answer);
        answer
    }

    fn note(&mut self, category: &str, request: &S3Request, answer: &S3Answer) {
        let counts = self.noted.entry(category.to_owned()).or_default();
        counts.bytes_in += u64::try_from(request.body.len()).unwrap();
        counts.bytes_out += u64::try_from(answer.body.len()).unwrap();
        counts.operations += 1;
        counts.successful += u64::from(answer.status < 300);
    }

    async fn put(&mut self, path: String, size: usize) -> S3Answer {
        self.send("put_obj", S3Request::new(Method::PUT, path, vec![b'x'; size])).await
    }

    async fn get(&mut self, path: String, size: usize) {
        let answer = self.send("get_obj", S3Request::new(Method::GET, path, "")).await;
        assert_eq!(answer.body.len(), size);
    }
}

/// What RGW's own log says of the account, since the running month began.
pub(crate) async fn logged(store: &CephStore, s3uid: &str) -> Traffic {
    let now = SystemClock.now();
    let mut traffic = Traffic::new();
    for record in store.usage(&s3uid.parse().unwrap(), month_start(now), now).await.unwrap() {
        let counts = traffic.entry(record.category).or_default();
        counts.bytes_in += record.bytes_in.bytes();
        counts.bytes_out += record.bytes_out.bytes();
        counts.operations += record.operations;
        counts.successful += record.successful_operations;
    }
    traffic
}

/// The categories of a usage report.
pub(crate) fn reported(report: &Value) -> Traffic {
    let categories = report["categories"].as_array().unwrap_or_else(|| panic!("{report}"));
    categories.iter().map(|category| (text(&category["category"]), counts(category))).collect()
}

pub(crate) fn counts(row: &Value) -> Counts {
    let number = |name: &str| row[name].as_u64().unwrap_or_else(|| panic!("no {name} in {row}"));
    Counts {
        bytes_in: number("traffic_in_bytes"),
        bytes_out: number("traffic_out_bytes"),
        operations: number("operations"),
        successful: number("successful_operations"),
    }
}

pub(crate) fn sum(all: impl IntoIterator<Item = Counts>) -> Counts {
    all.into_iter().fold(Counts::default(), |sum, counts| Counts {
        bytes_in: sum.bytes_in + counts.bytes_in,
        bytes_out: sum.bytes_out + counts.bytes_out,
        operations: sum.operations + counts.operations,
        successful: sum.successful + counts.successful,
    })
}

/// One row for each category: bytes in and out and requests, as sent, as logged, as reported.
pub(crate) fn table(columns: [&Traffic; 3]) -> String {
    let mut names: Vec<&String> = columns.iter().flat_map(|traffic| traffic.keys()).collect();
    names.sort();
    names.dedup();
    let mut table = format!("{:<22}{:>30}{:>30}{:>30}\n", "category: in/out/ops", "sent", "RGW", "Purser");
    for name in names {
        let [sent, rgw, ours] = columns.map(|traffic| {
            let counts = traffic.get(name).copied().unwrap_or_default();
            format!("{} / {} / {}", counts.bytes_in, counts.bytes_out, counts.operations)
        });
        writeln!(table, "{name:<22}{sent:>30}{rgw:>30}{ours:>30}").unwrap();
    }
    table
}

/// Everything that a customer may do, once at least.
pub(crate) async fn everything(customer: &mut Customer, files: &str, own: &str) {
    for size in [0, 1, 4095, 4096, 4097, 1_000_003] {
        customer.put(format!("/{files}/public/{size}"), size).await;
        customer.get(format!("/{files}/public/{size}"), size).await;
    }
    let range = S3Request::new(Method::GET, format!("/{files}/public/1000003"), "").with("range", "bytes=10-1009");
    assert_eq!(customer.send("get_obj", range).await.body.len(), 1000);
    multipart(customer, files).await;
    let copy = S3Request::new(Method::PUT, format!("/{files}/copy"), "")
        .with("x-amz-copy-source", format!("/{files}/public/1000003"));
    customer.send("copy_obj", copy).await;
    customer.send("delete_obj", S3Request::new(Method::DELETE, format!("/{files}/public/4097"), "")).await;
    customer.send("list_bucket", S3Request::new(Method::GET, format!("/{files}?list-type=2"), "")).await;

    let policy = S3Request::new(Method::PUT, format!("/{files}?policy="), PUBLIC.replace("BUCKET", files));
    customer.send("put_bucket_policy", policy).await;
    let public = S3Request::new(Method::GET, format!("/{files}/public/1000003"), "");
    assert_eq!(customer.send_unsigned("get_obj", public).await.body.len(), 1_000_003);
    let private = S3Request::new(Method::GET, format!("/{files}/copy"), "");
    assert_eq!(customer.send_unsigned("get_obj", private).await.status, 403);

    customer.send("create_bucket", S3Request::new(Method::PUT, format!("/{own}"), "")).await;
    let versioned = S3Request::new(Method::PUT, format!("/{own}?versioning="), VERSIONED);
    customer.send("set_bucket_versioning", versioned).await;
    for size in [100, 200_000, 3] {
        assert!(customer.put(format!("/{own}/versions"), size).await.version.is_some());
    }
    customer.send("delete_obj", S3Request::new(Method::DELETE, format!("/{own}/versions"), "")).await;
    customer.send("list_buckets", S3Request::new(Method::GET, "/", "")).await;
}

/// One upload in parts that is completed, and one that is aborted.
async fn multipart(customer: &mut Customer, bucket: &str) {
    let path = format!("/{bucket}/large");
    let started = customer.send("init_multipart", S3Request::new(Method::POST, format!("{path}?uploads="), "")).await;
    let upload = started.element("UploadId");
    let mut parts = String::new();
    for (number, size) in [(1, PART_BYTES), (2, PART_BYTES), (3, 777)] {
        let part = customer.put(format!("{path}?partNumber={number}&uploadId={upload}"), size).await;
        write!(parts, "<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", part.etag).unwrap();
    }
    let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    let complete = S3Request::new(Method::POST, format!("{path}?uploadId={upload}"), body);
    customer.send("complete_multipart", complete).await;

    let path = format!("/{bucket}/aborted");
    let started = customer.send("init_multipart", S3Request::new(Method::POST, format!("{path}?uploads="), "")).await;
    let upload = started.element("UploadId");
    customer.put(format!("{path}?partNumber=1&uploadId={upload}"), 60_001).await;
    let abort = S3Request::new(Method::DELETE, format!("{path}?uploadId={upload}"), "");
    customer.send("abort_multipart", abort).await;
}
