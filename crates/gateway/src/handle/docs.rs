//! `/docs`: the description of all APIs and messages, as this build has it.

use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use sha2::{Digest, Sha256};

use crate::domain::fault::{Fault, Shape};

// `FILES`: paths below `proto-schemas/`, and their bytes.
include!(concat!(env!("OUT_DIR"), "/docs_files.rs"));

const INDEX: &str = "/docs/docs/index.html";
/// Pages may use what is in them and beside them; nothing from elsewhere is loaded.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
                                       script-src 'self' 'unsafe-inline'; img-src 'self' data:";

/// `/docs` itself. The page lies where its relative links lead to the files, served or on disk.
pub(crate) async fn index() -> Response {
    Redirect::permanent(INDEX).into_response()
}

/// A file: exactly those that were there when this was built.
pub(crate) async fn file(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().strip_prefix("/docs/").unwrap_or_default();
    let Some((_, bytes)) = FILES.iter().find(|(name, _)| *name == path) else {
        return Fault::NotFound.into_response(Shape::S3Php);
    };
    let etag = format!("\"{}\"", hex::encode(&Sha256::digest(bytes)[..16]));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_known = known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag);
    let common = [(header::ETAG, etag.as_str()), (header::CACHE_CONTROL, "no-cache")];
    if is_known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let about_content = [
        (header::CONTENT_TYPE, content_type(path)),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    ];
    (common, about_content, *bytes).into_response()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "yaml" | "yml" => "application/yaml",
        "md" => "text/markdown; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "msgpack" => "application/msgpack",
        _ => "application/octet-stream",
    }
}
