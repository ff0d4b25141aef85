//! The paths, one file each, and what is said where there is none.

pub(crate) mod auth;
pub(crate) mod docs;
pub(crate) mod eq_callback;
pub(crate) mod s3_php;
pub(crate) mod storage;

use axum::http::Uri;
use axum::response::{IntoResponse, Response};

use crate::domain::fault::{Fault, Shape};
use crate::observe::Observed;

/// The answer in its API's shape, with what is to be logged of it.
fn finish(answer: Result<Response, Fault>, shape: Shape, observed: Observed) -> Response {
    let mut response = answer.unwrap_or_else(|fault| fault.into_response(shape));
    response.extensions_mut().insert(observed);
    response
}

/// A path that is there, but not for this method.
pub(crate) async fn method_not_allowed(uri: Uri) -> Response {
    let allow = if uri.path().starts_with("/docs") { "GET" } else { "GET, POST" };
    Fault::MethodNotAllowed { action: None, allow }.into_response(Shape::of_path(uri.path()))
}

/// Any other path.
pub(crate) async fn not_found(uri: Uri) -> Response {
    Fault::NotFound.into_response(Shape::of_path(uri.path()))
}

/// JSON with status 200.
fn ok(body: serde_json::Value) -> Response {
    axum::Json(body).into_response()
}
