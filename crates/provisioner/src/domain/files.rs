//! Listings: where a page goes on, what a search finds, which folders a page touches.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use messages::{FolderReply, GetFiles, Refusal};
use object_store::ObjectSummary;
use serde::{Deserialize, Serialize};

/// As many files as a page may have.
pub(crate) const PAGE_MAX: u32 = 100;
/// Pages are counted by walking over those before.
const PAGE_NUMBER_MAX: i64 = 1_000;

/// Where a listing goes on. Opaque to callers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Position {
    /// Behind this key.
    #[serde(rename = "k")]
    Key(String),
    /// Where the store's own token says, for listings with a delimiter.
    #[serde(rename = "t")]
    Token(String),
}

impl Position {
    /// The `next_token` that leads here.
    pub(crate) fn to_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn from_token(token: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.trim()).ok()?).ok()
    }
}

/// What a listing asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) prefix: String,
    pub(crate) delimiter: Option<String>,
    /// Lower-case.
    pub(crate) search: Option<String>,
    pub(crate) files_max: u32,
    /// How many files that match are passed over first.
    pub(crate) skip: usize,
    pub(crate) from: Option<Position>,
}

impl Listing {
    /// What `parameters` ask for, if that makes sense.
    pub(crate) fn of(parameters: &GetFiles) -> Result<Self, Refusal> {
        let max_keys = parameters.max_keys.unwrap_or(PAGE_MAX.into());
        let files_max = u32::try_from(max_keys)
            .ok()
            .filter(|max| (1..=PAGE_MAX).contains(max))
            .ok_or_else(|| Refusal::new(format!("max_keys must be 1 to {PAGE_MAX}, not {max_keys}")))?;
        let page = parameters.page.unwrap_or(1);
        if !(1..=PAGE_NUMBER_MAX).contains(&page) {
            let rule = format!("page must be 1 to {PAGE_NUMBER_MAX}; continuation_token leads further");
            return Err(Refusal::new(rule));
        }
        let from = match parameters.continuation_token.as_deref() {
            Some(token) => Some(Position::from_token(token).ok_or_else(wrong_token)?),
            None => None,
        };
        if page > 1 && (from.is_some() || parameters.delimiter.is_some()) {
            return Err(Refusal::new("page works without continuation_token and delimiter only"));
        }
        if parameters.delimiter.is_some() && parameters.search.is_some() {
            return Err(Refusal::new("search works without delimiter only: it looks into all folders"));
        }
        if from.as_ref().is_some_and(|from| matches!(from, Position::Token(_)) != parameters.delimiter.is_some()) {
            return Err(wrong_token());
        }
        Ok(Self {
            prefix: parameters.prefix.clone().unwrap_or_default(),
            delimiter: parameters.delimiter.clone(),
            search: parameters.search.as_ref().map(|text| text.to_lowercase()),
            files_max,
            skip: usize::try_from(page - 1).unwrap_or_default() * files_max as usize,
            from,
        })
    }

    /// Whether a key is searched for: by its last part, or as a whole where the search has a `/`.
    pub(crate) fn finds(&self, key: &str) -> bool {
        let Some(search) = &self.search else { return true };
        let name = if search.contains('/') { key } else { key.rsplit('/').next().unwrap_or(key) };
        name.to_lowercase().contains(search)
    }
}

fn wrong_token() -> Refusal {
    Refusal::new("continuation_token must be the next_token of the page before, with all other parameters unchanged")
}

/// The key without what can't be displayed.
pub(crate) fn displayable(key: &str) -> String {
    key.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A folder as it is shown.
pub(crate) fn folder(prefix: &str) -> FolderReply {
    FolderReply { key: displayable(prefix), original_key: prefix.to_owned() }
}

/// The folders in which a page's files lie, outer ones included.
pub(crate) fn folders(files: &[ObjectSummary]) -> Vec<FolderReply> {
    let ends = |key: &str| key.match_indices('/').map(|(at, _)| at + 1).collect::<Vec<_>>();
    let prefixes: BTreeSet<&str> =
        files.iter().flat_map(|file| ends(&file.key).into_iter().map(|end| &file.key[..end])).collect();
    prefixes.into_iter().map(folder).collect()
}

#[cfg(test)]
mod tests {
    use model::{ByteCount, Timestamp};
    use serde_json::json;

    use super::*;

    fn listing(parameters: &serde_json::Value) -> Result<Listing, String> {
        let mut all = json!({"bucket_name": "abc"});
        all.as_object_mut().unwrap().extend(parameters.as_object().unwrap().clone());
        Listing::of(&serde_json::from_value(all).unwrap()).map_err(|refusal| refusal.message)
    }

    #[test]
    fn a_search_looks_at_names_in_any_case_and_at_keys_where_it_has_a_slash() {
        for (search, key, found) in [
            ("REPORT", "2024/annual-report.pdf", true),
            ("2024", "2024/annual-report.pdf", false),
            ("2024/ann", "2024/annual-report.pdf", true),
            ("ärger", "Ärger.txt", true),
            ("b", "a/", false),
        ] {
            assert_eq!(listing(&json!({"search": search})).unwrap().finds(key), found, "{search} {key}");
        }
        assert!(listing(&json!({})).unwrap().finds("anything"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let token = Position::Key("a".to_owned()).to_token();
        for (parameters, complaint) in [
            (json!({"max_keys": 0}), "max_keys must be 1 to 100, not 0"),
            (json!({"max_keys": "101"}), "max_keys must be 1 to 100, not 101"),
            (json!({"page": 0}), "page must be 1 to 1000"),
            (json!({"page": 2, "continuation_token": token}), "page works without continuation_token"),
            (json!({"continuation_token": "nonsense"}), "continuation_token must be the next_token"),
            (json!({"continuation_token": token, "delimiter": "/"}), "continuation_token must be the next_token"),
            (json!({"search": "a", "delimiter": "/"}), "search works without delimiter"),
        ] {
            let error = listing(&parameters).unwrap_err();
            assert!(error.starts_with(complaint), "{error}");
        }
        assert_eq!(listing(&json!({"page": 3, "limit": 10})).unwrap().skip, 20);
        assert_eq!(listing(&json!({"continuation_token": token})).unwrap().from, Some(Position::Key("a".to_owned())));
    }

    #[test]
    fn a_page_s_folders_are_those_of_its_keys() {
        let file = |key: &str| ObjectSummary {
            key: key.to_owned(),
            size: ByteCount::ZERO,
            last_modified: Timestamp::UNIX_EPOCH,
        };
        let shown: Vec<_> =
            folders(&[file("a"), file("b/c/d"), file("b/e"), file("f/")]).into_iter().map(|f| f.original_key).collect();
        assert_eq!(shown, ["b/", "b/c/", "f/"]);
        assert_eq!(displayable("a\nb"), "a\u{fffd}b");
    }
}
