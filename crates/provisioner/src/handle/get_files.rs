//! `get_files`: a bucket's files, page by page, straight from the store.

use std::time::Duration;

use async_trait::async_trait;
use chrono::SubsecRound;
use history::Failure;
use messages::{FileReply, FilesReply, GetFiles, GetFilesReply, Refusal, Request};
use model::BucketName;
use object_store::{ListObjects, ObjectStore, ObjectSummary, S3Keys};
use runtime::Query;
use serde_json::json;
use tokio::time::Instant;

use super::requested_account;
use crate::Provisioner;
use crate::domain::answers::bucket_failure;
use crate::domain::files::{Listing, Position, displayable, folder, folders};

/// A search that finds little ends its page after this time, before its caller gives up; the next page goes on there.
const SEARCH_TIME_MAX: Duration = Duration::from_secs(8);
/// As many as the store lists at once.
const STORE_PAGE_MAX: u32 = 1_000;

#[async_trait]
impl Query<GetFiles> for Provisioner {
    type Reply = GetFilesReply;

    async fn answer(&self, request: &Request, parameters: GetFiles) -> Result<GetFilesReply, Failure> {
        let with_details = |failure| match failure {
            Failure::Refused(refusal) => Failure::Refused(refusal.with_details(json!({"s3uid": parameters.s3uid}))),
            other => other,
        };
        let listing = Listing::of(&parameters)?;
        let account = requested_account(&self.pool, request, parameters.s3uid.as_deref(), parameters.id)
            .await
            .map_err(with_details)?;
        account.check_readable().map_err(Failure::from).map_err(with_details)?;
        let store = self.location(&account)?.store.as_ref();
        let keys = self.keys(&account)?;
        if listing.delimiter.is_some() {
            return tree(store, &keys, &parameters.bucket_name, &listing).await.map_err(with_details);
        }
        let page = flat(store, &keys, &parameters.bucket_name, &listing).await.map_err(with_details)?;
        let folders = folders(&page.files);
        let items = page.files.into_iter().map(file).collect();
        Ok(GetFilesReply { files: FilesReply { items, folders }, next_token: page.next })
    }
}

struct Page {
    files: Vec<ObjectSummary>,
    next: Option<String>,
}

/// All keys below the prefix that the search finds, whatever folders they lie in.
async fn flat(store: &dyn ObjectStore, keys: &S3Keys, bucket: &BucketName, listing: &Listing) -> Result<Page, Failure> {
    let started = Instant::now();
    let files_max = listing.files_max as usize;
    let mut list = ListObjects { prefix: listing.prefix.clone(), ..ListObjects::all(bucket.clone()) };
    list.start_after = listing.from.as_ref().and_then(|from| match from {
        Position::Key(key) => Some(key.clone()),
        Position::Token(_) => None,
    });
    // One more than is shown tells whether there is another page.
    let is_walk = listing.search.is_some() || listing.skip > 0;
    list.max_keys = if is_walk { STORE_PAGE_MAX } else { listing.files_max + 1 };
    let (mut files, mut skipped) = (Vec::new(), 0);
    loop {
        let page = store.list_objects(keys, &list).await.map_err(bucket_failure)?;
        let last_seen = page.objects.last().map(|object| object.key.clone());
        for object in page.objects.into_iter().filter(|object| listing.finds(&object.key)) {
            if skipped < listing.skip {
                skipped += 1;
            } else if files.len() < files_max {
                files.push(object);
            } else {
                let next = files.last().map(|last: &ObjectSummary| Position::Key(last.key.clone()).to_token());
                return Ok(Page { files, next });
            }
        }
        let (Some(continuation), Some(last_seen)) = (page.next, last_seen) else {
            return Ok(Page { files, next: None });
        };
        if started.elapsed() > SEARCH_TIME_MAX {
            if skipped < listing.skip {
                return Err(Refusal::new("page leads too far; continuation_token does, from the first page on").into());
            }
            return Ok(Page { files, next: Some(Position::Key(last_seen).to_token()) });
        }
        list.continuation = Some(continuation);
    }
}

/// The files and folders of one level.
async fn tree(
    store: &dyn ObjectStore,
    keys: &S3Keys,
    bucket: &BucketName,
    listing: &Listing,
) -> Result<GetFilesReply, Failure> {
    let list = ListObjects {
        prefix: listing.prefix.clone(),
        delimiter: listing.delimiter.clone(),
        continuation: listing.from.as_ref().and_then(|from| match from {
            Position::Token(token) => Some(token.clone()),
            Position::Key(_) => None,
        }),
        max_keys: listing.files_max,
        ..ListObjects::all(bucket.clone())
    };
    let page = store.list_objects(keys, &list).await.map_err(bucket_failure)?;
    let items = page.objects.into_iter().map(file).collect();
    let folders = page.common_prefixes.iter().map(|prefix| folder(prefix)).collect();
    let next_token = page.next.map(|token| Position::Token(token).to_token());
    Ok(GetFilesReply { files: FilesReply { items, folders }, next_token })
}

fn file(object: ObjectSummary) -> FileReply {
    FileReply {
        key: displayable(&object.key),
        original_key: object.key,
        size: object.size.bytes(),
        last_modified: object.last_modified.trunc_subsecs(0),
    }
}
