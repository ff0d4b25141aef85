//! Buckets whose owners used more of S3 than Purser does: versions, uploads in parts, policies.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketCannedAcl, BucketVersioningStatus, ObjectCannedAcl, VersioningConfiguration};
use model::BucketName;
use object_store::{Access, Removal, S3Keys, StoreError};
use secrecy::ExposeSecret;

use crate::fixture::{Account, ceph, ceph_config, refusal_code};

/// S3 as the customer has it.
pub(crate) fn s3_client(keys: &S3Keys) -> Client {
    let credentials = Credentials::new(&keys.access_key, keys.secret_key.expose_secret(), None, None, "test");
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(ceph_config().s3_url)
        .region(Region::new("us-east-1"))
        .force_path_style(true)
        .credentials_provider(credentials);
    Client::from_conf(config.build())
}

async fn set_versioning(client: &Client, bucket: &BucketName, status: BucketVersioningStatus) {
    let versioning = VersioningConfiguration::builder().status(status).build();
    let call = client.put_bucket_versioning().bucket(bucket.as_str()).versioning_configuration(versioning);
    call.send().await.unwrap();
}

/// A bucket with versions from before, during and after versioning, delete markers among them; and how many entries
/// each key has.
async fn versioned_bucket(account: &Account, client: &Client) -> (BucketName, HashMap<&'static str, usize>) {
    let store = &account.store;
    let bucket = account.create_bucket("versions").await;
    account.put(&bucket, "old", 1).await.unwrap();
    set_versioning(client, &bucket, BucketVersioningStatus::Enabled).await;
    for key in ["old", "new", "new", "new", "dir/ä+ \u{1}"] {
        account.put(&bucket, key, 5).await.unwrap();
    }
    for key in ["old", "new", "never"] {
        store.delete_object(account.keys(), &bucket, key).await.unwrap();
    }
    account.put(&bucket, "new", 5).await.unwrap();
    set_versioning(client, &bucket, BucketVersioningStatus::Suspended).await;
    account.put(&bucket, "suspended", 5).await.unwrap();
    store.delete_object(account.keys(), &bucket, "suspended").await.unwrap();
    let entries = [("old", 3), ("new", 5), ("dir/ä+ \u{1}", 1), ("never", 1), ("suspended", 1)];
    (bucket, entries.into())
}

#[tokio::test]
async fn every_version_and_delete_marker_is_listed_and_deleted() {
    let account = Account::create(&ceph()).await;
    let (store, client) = (account.store.clone(), s3_client(account.keys()));
    let (bucket, expected) = versioned_bucket(&account, &client).await;
    let total: usize = expected.values().sum();
    let whole = account.version_pages(&bucket, 1000).await.concat();
    for max_keys in [1, 2, 3, 5, u32::try_from(total).unwrap(), 1000] {
        let pages = account.version_pages(&bucket, max_keys).await;
        assert!(pages.iter().all(|page| page.len() <= max_keys as usize), "{max_keys} a page: {pages:?}");
        let mut entries = pages.concat();
        assert!(entries.is_sorted_by_key(|entry| &entry.key), "{entries:?}");
        assert!(entries.iter().all(|entry| entry.version.is_some() && whole.contains(entry)), "{entries:?}");
        let counts = entries.chunk_by(|a, b| a.key == b.key).map(|entries| (entries[0].key.as_str(), entries.len()));
        assert_eq!(counts.collect::<HashMap<_, _>>(), expected, "{max_keys} a page");
        entries.sort_by_key(|entry| entry.version.clone());
        entries.dedup();
        assert_eq!(entries.len(), total, "{max_keys} a page");
    }
    assert_eq!(account.all_keys(&bucket, 1000).await, [["dir/ä+ \u{1}", "new"]]);
    assert_eq!(refusal_code(store.delete_bucket(account.keys(), &bucket).await), "BucketNotEmpty");
    assert_eq!(store.object(account.keys(), &bucket, "old").await.unwrap(), None);
    assert_eq!(account.empty(&bucket, 5).await.iter().sum::<usize>(), total);
    assert_eq!(store.bucket_usages(account.uid()).await.unwrap()[0].objects, 0);
    assert_eq!(store.delete_bucket(account.keys(), &bucket).await, Ok(Removal::Removed));
    account.remove().await;
}

#[tokio::test]
async fn buckets_are_deleted_with_their_uncompleted_uploads() {
    let account = Account::create(&ceph()).await;
    let (store, client) = (account.store.clone(), s3_client(account.keys()));
    let bucket = account.create_bucket("uploads").await;
    for key in ["large", "large", "other/ä"] {
        let upload = client.create_multipart_upload().bucket(bucket.as_str()).key(key).send().await.unwrap();
        let part = client.upload_part().bucket(bucket.as_str()).key(key).part_number(1);
        let part = part.upload_id(upload.upload_id.unwrap()).body(ByteStream::from(vec![b'x'; 100_000]));
        part.customize().disable_payload_signing().send().await.unwrap();
    }
    assert_eq!(store.bucket_usages(account.uid()).await.unwrap()[0].usage.bytes(), 300_000);
    assert_eq!(account.version_pages(&bucket, 1000).await, [[]]);
    assert_eq!(store.delete_bucket(account.keys(), &bucket).await, Ok(Removal::Removed));
    assert_eq!(store.bucket_usages(account.uid()).await.unwrap(), []);
    // Nothing of them is left in a new bucket of the same name.
    store.create_bucket(account.keys(), &bucket).await.unwrap();
    let uploads = client.list_multipart_uploads().bucket(bucket.as_str()).send().await.unwrap();
    assert!(uploads.uploads().is_empty());
    account.remove().await;
}

#[tokio::test]
async fn the_first_object_that_stays_is_the_error() {
    let account = Account::create(&ceph()).await;
    let (store, client) = (account.store.clone(), s3_client(account.keys()));
    let bucket = account.create_bucket("policy").await;
    let keys = ["a", "kept/1", "kept/2", "z"].map(str::to_owned);
    account.put_all(&bucket, &keys).await;
    let policy = format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Deny", "Principal": "*",
            "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"], "Resource": "arn:aws:s3:::{bucket}/kept/*"}}]}}"#
    );
    client.put_bucket_policy().bucket(bucket.as_str()).policy(policy).send().await.unwrap();
    let page = store.list_object_versions(account.keys(), &bucket, None, 1000).await.unwrap();
    let refused = store.delete_objects(account.keys(), &bucket, &page.versions).await;
    let expected = StoreError::Refused { code: "AccessDenied".into(), message: "Access denied".into() };
    assert_eq!(refused, Err(expected));
    assert_eq!(account.all_keys(&bucket, 1000).await, [["kept/1", "kept/2"]]);
    // The administrator's way knows no policies, and no rules for names either.
    client.create_bucket().bucket(format!("xn--{bucket}")).send().await.unwrap();
    let policy = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": ["arn:aws:s3:::BUCKET", "arn:aws:s3:::BUCKET/*"]}]}"#
        .replace("BUCKET", bucket.as_str());
    client.put_bucket_policy().bucket(bucket.as_str()).policy(policy).send().await.unwrap();
    for name in [bucket.as_str(), &format!("xn--{bucket}")] {
        assert_eq!(store.purge_bucket(name).await, Ok(Removal::Removed), "{name}");
        assert_eq!(store.purge_bucket(name).await, Ok(Removal::Absent), "{name}");
    }
    assert_eq!(store.bucket_usages(account.uid()).await.unwrap(), []);
    account.remove().await;
}

/// Versions count as objects, delete markers don't take space; what an upload holds counts part by part.
#[tokio::test]
async fn versions_and_uncompleted_uploads_count_as_radosgw_counts() {
    let account = Account::create(&ceph()).await;
    let (store, client) = (account.store.clone(), s3_client(account.keys()));
    let versions = account.create_bucket("versions").await;
    set_versioning(&client, &versions, BucketVersioningStatus::Enabled).await;
    for len in [1, 4096, 5000] {
        account.put(&versions, "key", len).await.unwrap();
    }
    store.delete_object(account.keys(), &versions, "key").await.unwrap();
    let uploads = account.create_bucket("uploads").await;
    let upload = client.create_multipart_upload().bucket(uploads.as_str()).key("large").send().await.unwrap();
    for number in 1..=2 {
        let part = client.upload_part().bucket(uploads.as_str()).key("large").part_number(number);
        let part = part.upload_id(upload.upload_id().unwrap()).body(ByteStream::from(vec![b'x'; 100_000]));
        part.customize().disable_payload_signing().send().await.unwrap();
    }
    for (bucket, size, size_actual, objects) in [(&versions, 9097, 4096 * 4, 3), (&uploads, 200_000, 2 * 25 * 4096, 2)]
    {
        let found = store.bucket(bucket.as_str()).await.unwrap().unwrap().usage;
        let figures = (found.usage.bytes(), found.size_actual.bytes(), found.objects);
        assert_eq!(figures, (size, size_actual, objects), "{bucket}");
        let usages = store.bucket_usages(account.uid()).await.unwrap();
        assert!(usages.contains(&found), "{usages:?}");
    }
    account.remove().await;
}

/// radosgw asks who makes a request, not whose bucket it is about.
#[tokio::test]
async fn who_a_reader_s_bucket_lets_in_may_still_write_and_nobody_reads_what_a_suspended_user_has() {
    let account = Account::create(&ceph()).await;
    let (store, bucket, client) =
        (account.store.clone(), account.create_bucket("public").await, s3_client(account.keys()));
    let open = client.put_bucket_acl().bucket(bucket.as_str()).acl(BucketCannedAcl::PublicReadWrite);
    open.send().await.unwrap();
    let public = client.put_object().bucket(bucket.as_str()).key("page").acl(ObjectCannedAcl::PublicRead);
    public.body(ByteStream::from_static(b"x")).send().await.unwrap();
    let presigned = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let presigned = client.get_object().bucket(bucket.as_str()).key("page").presigned(presigned).await.unwrap();
    let (http, url) = (reqwest::Client::new(), ceph_config().s3_url.join(&format!("{bucket}/page")).unwrap());
    for (access, [signed, anonymous, written]) in [
        (Access::Full, [200, 200, 200]),
        (Access::ReadOnly, [200, 200, 200]),
        (Access::Suspended, [403, 403, 403]),
        (Access::Full, [200, 200, 200]),
    ] {
        store.set_access(account.uid(), access).await.unwrap();
        let answers = [http.get(presigned.uri()), http.get(url.clone())].map(reqwest::RequestBuilder::send);
        let [first, second] = answers.map(async |answer| answer.await.unwrap().status().as_u16());
        assert_eq!((first.await, second.await), (signed, anonymous), "{access:?}");
        let put = http.put(url.clone()).header("x-amz-acl", "public-read").body("x").send().await.unwrap();
        assert_eq!(put.status(), written, "{access:?}");
    }
    account.remove().await;
}
