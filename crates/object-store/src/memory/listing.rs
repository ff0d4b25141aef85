//! Pages of a bucket's objects, as S3 cuts them.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::state::Object;
use crate::types::PAGE_LEN_MAX;
use crate::{ListObjects, NamePage, ObjectPage, ObjectVersion, VersionPage};

/// The id of a version that isn't one.
pub(super) const NO_VERSION: &str = "null";

type Objects = BTreeMap<String, Object>;

/// The page's tokens are its last key or common prefix.
pub(super) fn objects(objects: &Objects, list: &ListObjects) -> ObjectPage {
    let marker = list.continuation.as_deref().or(list.start_after.as_deref());
    let delimiter = list.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
    let common_prefix = |key: &str| -> Option<String> {
        let (rest, delimiter) = (key.strip_prefix(&list.prefix)?, delimiter?);
        Some(key[..list.prefix.len() + rest.find(delimiter)? + delimiter.len()].to_owned())
    };
    let passed = marker.and_then(common_prefix);
    let mut page = ObjectPage::default();
    let mut shown_last = None;
    for (key, object) in after(objects, marker).filter(|(key, _)| key.starts_with(&list.prefix)) {
        let common = common_prefix(key);
        if common.is_some() && (common == passed || common.as_ref() == page.common_prefixes.last()) {
            continue;
        }
        if page.objects.len() + page.common_prefixes.len() == page_len(list.max_keys) {
            page.next = shown_last;
            break;
        }
        shown_last = Some(common.as_ref().unwrap_or(key).clone());
        match common {
            Some(common) => page.common_prefixes.push(common),
            None => page.objects.push(object.summary(key)),
        }
    }
    page
}

/// Nothing has versions here: every object is one, and there are no delete markers.
pub(super) fn versions(objects: &Objects, continuation: Option<&str>, max_keys: u32) -> VersionPage {
    let mut keys = after(objects, continuation).map(|(key, _)| key);
    let version = |key: &String| ObjectVersion { key: key.clone(), version: Some(NO_VERSION.to_owned()) };
    let versions: Vec<_> = keys.by_ref().take(page_len(max_keys)).map(version).collect();
    let last = versions.last().map(|version| version.key.clone());
    VersionPage { next: last.filter(|_| keys.next().is_some()), versions }
}

/// The page's token is its last name.
pub(super) fn names<'a>(
    names: impl Iterator<Item = &'a str>,
    continuation: Option<&str>,
    max_entries: u32,
) -> NamePage {
    let mut names: Vec<&str> = names.filter(|name| continuation.is_none_or(|last| *name > last)).collect();
    names.sort_unstable();
    let is_last = names.len() <= page_len(max_entries).max(1);
    names.truncate(page_len(max_entries).max(1));
    let next = names.last().filter(|_| !is_last).map(|name| (*name).to_owned());
    NamePage { names: names.into_iter().map(str::to_owned).collect(), next }
}

fn after<'a>(objects: &'a Objects, marker: Option<&str>) -> impl Iterator<Item = (&'a String, &'a Object)> {
    let start = marker.map_or(Bound::Unbounded, Bound::Excluded);
    objects.range::<str, _>((start, Bound::Unbounded))
}

fn page_len(max_keys: u32) -> usize {
    max_keys.min(PAGE_LEN_MAX) as usize
}
