//! What tokens, API keys and callback keys have in common: they are random, kept as SHA-256 only, and stand for somebody.

use model::{CustomerId, Principal, PrincipalRole};
use sha2::{Digest, Sha256};

/// What is kept of a secret text. It has at least 128 random bits, so it needs neither salt nor a slow hash.
///
/// Texts are compared by their digests alone, and by the database's index. How long that takes may tell how far the digest
/// of a guess agrees with a stored one, which says nothing about the text behind either.
pub(crate) fn digest(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

/// A principal's role as the tables have it.
pub(crate) fn role_text(principal: Principal) -> &'static str {
    match principal.role() {
        PrincipalRole::Customer => "customer",
        PrincipalRole::Admin => "admin",
    }
}

/// Whom a row stands for.
pub(crate) fn principal(role: &str, customer_id: Option<i64>) -> Option<Principal> {
    match (role, customer_id.map(CustomerId)) {
        ("admin", customer_id) => Some(Principal::Admin(customer_id)),
        ("customer", Some(customer_id)) => Some(Principal::Customer(customer_id)),
        _ => None,
    }
}
