//! Sealing of S3 secret keys: XChaCha20-Poly1305, the account as associated data, a key id for rotation.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use history::{Failure, ReplySealer};
use messages::CommandKey;
use model::S3Uid;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

const KEY_BYTES: usize = 32;
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;

/// What can go wrong with a sealing key or a sealed secret. Never says anything about the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealingError {
    /// The file's content is no key.
    #[error("the sealing key must be 32 bytes in Base64, as `openssl rand -base64 32` prints them")]
    InvalidKey,
    /// It was sealed with another key.
    #[error("sealed with key {sealed_with}, but the key at hand is {at_hand}")]
    OtherKey {
        /// The id of the key that sealed it.
        sealed_with: String,
        /// The id of the key that should open it.
        at_hand: String,
    },
    /// The bytes were changed, cut, or belong to another account.
    #[error("the sealed secret is damaged or belongs to another account")]
    Damaged,
}

/// A sealed secret: key id (4 bytes), nonce (24), ciphertext with tag.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Sealed(pub(crate) Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

impl From<Sealed> for String {
    fn from(sealed: Sealed) -> Self {
        STANDARD.encode(sealed.0)
    }
}

impl TryFrom<String> for Sealed {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        STANDARD.decode(text).map(Self)
    }
}

/// The key that seals and opens. Only the provisioner holds it.
#[derive(Clone)]
pub struct SealingKey {
    cipher: XChaCha20Poly1305,
    id: [u8; KEY_ID_BYTES],
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({})", hex::encode(self.id))
    }
}

impl SealingKey {
    /// Reads a key as the key file holds it: 32 bytes in Base64.
    pub fn from_base64(text: &str) -> Result<Self, SealingError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| SealingError::InvalidKey)?;
        let key: [u8; KEY_BYTES] = bytes.try_into().map_err(|_| SealingError::InvalidKey)?;
        let digest = <sha2::Sha256 as sha2::Digest>::digest(key);
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&digest[..KEY_ID_BYTES]);
        Ok(Self { cipher: XChaCha20Poly1305::new(&key.into()), id })
    }

    /// Seals an account's secret key.
    pub(crate) fn seal(&self, s3uid: &S3Uid, secret: &SecretString) -> Sealed {
        self.seal_for(s3uid.as_str(), secret.expose_secret())
    }

    fn seal_for(&self, whom: &str, text: &str) -> Sealed {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let payload = Payload { msg: text.as_bytes(), aad: whom.as_bytes() };
        let ciphertext = self.cipher.encrypt(&XNonce::from(nonce), payload).expect("memory holds a short text");
        Sealed([&self.id[..], &nonce[..], &ciphertext[..]].concat())
    }

    /// Opens what was sealed for the same account.
    pub(crate) fn open(&self, s3uid: &S3Uid, sealed: &Sealed) -> Result<SecretString, SealingError> {
        self.open_for(s3uid.as_str(), sealed).map(SecretString::from)
    }

    fn open_for(&self, whom: &str, sealed: &Sealed) -> Result<String, SealingError> {
        let (id, rest) = sealed.0.split_at_checked(KEY_ID_BYTES).ok_or(SealingError::Damaged)?;
        if id != self.id {
            return Err(SealingError::OtherKey { sealed_with: hex::encode(id), at_hand: hex::encode(self.id) });
        }
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealingError::Damaged)?;
        let payload = Payload { msg: ciphertext, aad: whom.as_bytes() };
        let plain = self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealingError::Damaged)?;
        String::from_utf8(plain).map_err(|_| SealingError::Damaged)
    }
}

/// What a sealed reply belongs to: the command that it answers.
fn owner_of_reply(key: &CommandKey) -> String {
    format!("reply/{}/{}", key.principal, key.message_id)
}

impl ReplySealer for SealingKey {
    fn seal(&self, key: &CommandKey, text: &str) -> Vec<u8> {
        self.seal_for(&owner_of_reply(key), text).0
    }

    fn open(&self, key: &CommandKey, sealed: &[u8]) -> Result<String, Failure> {
        self.open_for(&owner_of_reply(key), &Sealed(sealed.to_vec()))
            .map_err(|error| Failure::Unavailable(format!("the reply to {}: {error}", key.message_id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SealingKey {
        SealingKey::from_base64(&STANDARD.encode([byte; 32])).unwrap()
    }

    #[test]
    fn only_the_same_key_and_account_open_a_sealed_secret() {
        let (s3uid, secret) = (S3Uid::random(), SecretString::from("wJalrXUtnFEMI"));
        let sealed = key(1).seal(&s3uid, &secret);
        assert_eq!(key(1).open(&s3uid, &sealed).unwrap().expose_secret(), "wJalrXUtnFEMI");
        assert!(matches!(key(2).open(&s3uid, &sealed), Err(SealingError::OtherKey { .. })));
        assert_eq!(key(1).open(&S3Uid::random(), &sealed).unwrap_err(), SealingError::Damaged);
        assert_ne!(sealed, key(1).seal(&s3uid, &secret), "each seal has its own nonce");
    }

    #[test]
    fn a_sealed_reply_belongs_to_its_command() {
        let command = |principal: &str| CommandKey { principal: principal.to_owned(), message_id: uuid::Uuid::nil() };
        let sealed = ReplySealer::seal(&key(1), &command("customer:1"), "{}");
        assert_eq!(ReplySealer::open(&key(1), &command("customer:1"), &sealed).unwrap(), "{}");
        ReplySealer::open(&key(1), &command("customer:2"), &sealed).unwrap_err();
    }

    #[test]
    fn damage_is_noticed_at_every_byte() {
        let s3uid = S3Uid::random();
        let sealed = key(1).seal(&s3uid, &"secret".into());
        for i in 0..sealed.0.len() {
            let mut damaged = sealed.clone();
            damaged.0[i] ^= 1;
            assert!(key(1).open(&s3uid, &damaged).is_err(), "byte {i}");
            assert!(key(1).open(&s3uid, &Sealed(sealed.0[..i].to_vec())).is_err(), "cut at {i}");
        }
    }

    #[test]
    fn a_key_is_32_bytes_in_base64() {
        for bad in ["", "abc", "AAAA", &STANDARD.encode([0; 31])] {
            assert_eq!(SealingKey::from_base64(bad).unwrap_err(), SealingError::InvalidKey, "{bad:?}");
        }
    }
}
