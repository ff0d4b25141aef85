//! Sealing of S3 secret keys: XChaCha20-Poly1305, the account as associated data, a key id for rotation.
//!
//! One key seals, the others still open what they have sealed, until all of it is sealed anew.

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
    /// A line is no key.
    #[error("line {line}: a sealing key is 32 bytes in Base64, as `openssl rand -base64 32` prints them")]
    InvalidKey {
        /// The line of the file, from 1.
        line: usize,
    },
    /// The same key twice.
    #[error("line {line}: this key stands in the file already")]
    Repeated {
        /// The line of the file, from 1.
        line: usize,
    },
    /// The file holds no key.
    #[error("the file holds no key; `openssl rand -base64 32` makes one")]
    NoKey,
    /// It was sealed with a key that isn't there.
    #[error("sealed with key {sealed_with}, but the key file holds only {at_hand}")]
    OtherKey {
        /// The id of the key that sealed it.
        sealed_with: KeyId,
        /// The ids of the keys that could have opened it.
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

/// What a sealed secret names its key by: the first four bytes of the key's SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; KEY_ID_BYTES]);

impl KeyId {
    /// The id in a sealed secret; `None` where that is too short to be one.
    pub(crate) fn of(sealed: &[u8]) -> Option<Self> {
        sealed.first_chunk().copied().map(Self)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

#[derive(Clone)]
struct SealingKey {
    cipher: XChaCha20Poly1305,
    id: KeyId,
}

impl SealingKey {
    fn from_base64(text: &str) -> Option<Self> {
        let key: [u8; KEY_BYTES] = STANDARD.decode(text).ok()?.try_into().ok()?;
        let digest = <sha2::Sha256 as sha2::Digest>::digest(key);
        Some(Self { cipher: XChaCha20Poly1305::new(&key.into()), id: KeyId::of(&digest)? })
    }

    fn seal_for(&self, whom: &str, text: &str) -> Sealed {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let payload = Payload { msg: text.as_bytes(), aad: whom.as_bytes() };
        let ciphertext = self.cipher.encrypt(&XNonce::from(nonce), payload).expect("memory holds a short text");
        Sealed([self.id.as_bytes(), &nonce[..], &ciphertext[..]].concat())
    }

    fn open_for(&self, whom: &str, sealed: &Sealed) -> Result<String, SealingError> {
        let (_, rest) = sealed.0.split_at_checked(KEY_ID_BYTES).ok_or(SealingError::Damaged)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealingError::Damaged)?;
        let payload = Payload { msg: ciphertext, aad: whom.as_bytes() };
        let plain = self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealingError::Damaged)?;
        String::from_utf8(plain).map_err(|_| SealingError::Damaged)
    }
}

/// The keys that seal and open. Only the provisioner holds them.
#[derive(Clone)]
pub struct SealingKeys {
    /// The first.
    seals: SealingKey,
    /// The others.
    open: Vec<SealingKey>,
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKeys({})", self.ids_text())
    }
}

impl SealingKeys {
    /// Reads the key file: one key a line, 32 bytes in Base64. The first seals; the others open what they have sealed.
    ///
    /// Empty lines and those that begin with `#` are passed over.
    pub fn from_text(text: &str) -> Result<Self, SealingError> {
        let mut keys: Vec<SealingKey> = Vec::new();
        let lines = text.lines().map(str::trim).zip(1..);
        for (text, line) in lines.filter(|(text, _)| !text.is_empty() && !text.starts_with('#')) {
            let key = SealingKey::from_base64(text).ok_or(SealingError::InvalidKey { line })?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(SealingError::Repeated { line });
            }
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        Ok(Self { seals: keys.next().ok_or(SealingError::NoKey)?, open: keys.collect() })
    }

    /// The id of the key that seals.
    pub fn sealing_id(&self) -> KeyId {
        self.seals.id
    }

    /// The ids of all keys; the first one seals.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        std::iter::once(&self.seals).chain(&self.open).map(|key| key.id)
    }

    fn ids_text(&self) -> String {
        self.ids().map(|id| id.to_string()).collect::<Vec<_>>().join(", ")
    }

    /// Seals an account's secret key.
    pub(crate) fn seal(&self, s3uid: &S3Uid, secret: &SecretString) -> Sealed {
        self.seals.seal_for(s3uid.as_str(), secret.expose_secret())
    }

    /// Opens what was sealed for the same account.
    pub(crate) fn open(&self, s3uid: &S3Uid, sealed: &Sealed) -> Result<SecretString, SealingError> {
        self.open_for(s3uid.as_str(), sealed).map(SecretString::from)
    }

    /// The same secret, sealed with the key that seals now.
    pub(crate) fn seal_anew(&self, s3uid: &S3Uid, sealed: &Sealed) -> Result<Sealed, SealingError> {
        Ok(self.seal(s3uid, &self.open(s3uid, sealed)?))
    }

    /// The same reply, sealed with the key that seals now.
    pub(crate) fn seal_reply_anew(&self, key: &CommandKey, sealed: &Sealed) -> Result<Sealed, SealingError> {
        let whom = owner_of_reply(key);
        Ok(self.seals.seal_for(&whom, &self.open_for(&whom, sealed)?))
    }

    fn open_for(&self, whom: &str, sealed: &Sealed) -> Result<String, SealingError> {
        let id = KeyId::of(&sealed.0).ok_or(SealingError::Damaged)?;
        let key = std::iter::once(&self.seals).chain(&self.open).find(|key| key.id == id);
        let missing = || SealingError::OtherKey { sealed_with: id, at_hand: self.ids_text() };
        key.ok_or_else(missing)?.open_for(whom, sealed)
    }
}

/// What a sealed reply belongs to: the command that it answers.
fn owner_of_reply(key: &CommandKey) -> String {
    format!("reply/{}/{}", key.principal, key.message_id)
}

impl ReplySealer for SealingKeys {
    fn seal(&self, key: &CommandKey, text: &str) -> Vec<u8> {
        self.seals.seal_for(&owner_of_reply(key), text).0
    }

    fn open(&self, key: &CommandKey, sealed: &[u8]) -> Result<String, Failure> {
        self.open_for(&owner_of_reply(key), &Sealed(sealed.to_vec()))
            .map_err(|error| Failure::Unavailable(format!("the reply to {}: {error}", key.message_id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(byte: u8) -> String {
        STANDARD.encode([byte; 32])
    }

    fn key(byte: u8) -> SealingKeys {
        SealingKeys::from_text(&line(byte)).unwrap()
    }

    fn keys(bytes: [u8; 2]) -> SealingKeys {
        SealingKeys::from_text(&bytes.map(line).join("\n")).unwrap()
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
    fn the_first_key_seals_and_all_open() {
        let (s3uid, secret) = (S3Uid::random(), SecretString::from("wJalrXUtnFEMI"));
        let old = key(1).seal(&s3uid, &secret);
        let both = keys([2, 1]);
        assert_eq!(both.open(&s3uid, &old).unwrap().expose_secret(), "wJalrXUtnFEMI");
        let new = both.seal_anew(&s3uid, &old).unwrap();
        assert_eq!((KeyId::of(&old.0), KeyId::of(&new.0)), (both.ids().last(), Some(both.sealing_id())));
        assert_eq!(key(2).open(&s3uid, &new).unwrap().expose_secret(), "wJalrXUtnFEMI");
        assert_eq!(keys([1, 2]).open(&s3uid, &new).unwrap().expose_secret(), "wJalrXUtnFEMI");
        let error = key(2).open(&s3uid, &old).unwrap_err().to_string();
        let (one, two) = (key(1).sealing_id(), key(2).sealing_id());
        assert_eq!(error, format!("sealed with key {one}, but the key file holds only {two}"));
    }

    #[test]
    fn a_sealed_reply_belongs_to_its_command() {
        let command = |principal: &str| CommandKey { principal: principal.to_owned(), message_id: uuid::Uuid::nil() };
        let sealed = ReplySealer::seal(&key(1), &command("customer:1"), "{}");
        assert_eq!(ReplySealer::open(&key(1), &command("customer:1"), &sealed).unwrap(), "{}");
        ReplySealer::open(&key(1), &command("customer:2"), &sealed).unwrap_err();
        let anew = keys([2, 1]).seal_reply_anew(&command("customer:1"), &Sealed(sealed)).unwrap();
        assert_eq!(ReplySealer::open(&key(2), &command("customer:1"), &anew.0).unwrap(), "{}");
        ReplySealer::open(&key(2), &command("customer:2"), &anew.0).unwrap_err();
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
    fn a_key_file_holds_keys_of_32_bytes_in_base64_one_a_line() {
        let commented = format!("# of May\n{}\n\n  {}  \n", line(1), line(2));
        assert_eq!(SealingKeys::from_text(&commented).unwrap().ids_text(), keys([1, 2]).ids_text());
        for (bad, expected) in [
            ("", SealingError::NoKey),
            ("# nothing\n", SealingError::NoKey),
            ("abc", SealingError::InvalidKey { line: 1 }),
            (&STANDARD.encode([0; 31]), SealingError::InvalidKey { line: 1 }),
            (&format!("{}\nabc", line(1)), SealingError::InvalidKey { line: 2 }),
            (&format!("{}\n{}", line(1), line(1)), SealingError::Repeated { line: 2 }),
        ] {
            assert_eq!(SealingKeys::from_text(bad).unwrap_err(), expected, "{bad:?}");
        }
    }

    #[test]
    fn keys_are_not_printed() {
        let shown = format!("{:?}", keys([1, 2]));
        assert_eq!(shown, format!("SealingKeys({}, {})", key(1).sealing_id(), key(2).sealing_id()));
    }
}
