//! Sealing everything anew with the key that seals now, beside the running workers.
//!
//! What is done shows in the sealed values themselves: after an interruption a second run goes on where the first one
//! stopped. Accounts come before intents, because a plan is made of an account whose row its transaction holds: once the
//! accounts are done, no new plan has an old seal.

use std::str::FromStr;

use history::Failure;
use messages::CommandKey;
use model::S3Uid;
use serde_json::Value;

use crate::domain::sealing::{KeyId, Sealed, SealingError, SealingKeys};
use crate::store::sealed;

const BATCH: i64 = 500;

/// What one key has sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedWith {
    /// The key; `None` for what is too short to name one.
    pub key: Option<KeyId>,
    /// Secret keys of accounts.
    pub accounts: u64,
    /// The same in the plans of commands that are under way.
    pub intents: u64,
    /// Saved replies.
    pub replies: u64,
}

impl SealedWith {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.accounts + self.intents + self.replies
    }
}

/// What a rotation has done.
#[derive(Debug, Default)]
pub struct Rotated {
    /// How many values were sealed anew.
    pub sealed_anew: u64,
    /// What can't be opened with the keys at hand, and why; no secret.
    pub unopened: Vec<String>,
    changed_meanwhile: u64,
}

impl Rotated {
    fn replaced(&mut self, is_replaced: bool) {
        if is_replaced {
            self.sealed_anew += 1;
        } else {
            self.changed_meanwhile += 1;
        }
    }
}

/// What each key has sealed; the keys at hand first and in their order, also where they have sealed nothing.
pub async fn inventory(pool: &sqlx::PgPool, keys: &SealingKeys) -> Result<Vec<SealedWith>, Failure> {
    let empty = |key| SealedWith { key, accounts: 0, intents: 0, replies: 0 };
    let mut found: Vec<SealedWith> = keys.ids().map(Some).map(empty).collect();
    for count in sealed::counts(pool).await? {
        let key = KeyId::of(&count.key_id);
        let index = found.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
            found.push(empty(key));
            found.len() - 1
        });
        let (entry, number) = (&mut found[index], u64::try_from(count.count).unwrap_or_default());
        match count.place.as_str() {
            "accounts" => entry.accounts += number,
            "intents" => entry.intents += number,
            _ => entry.replies += number,
        }
    }
    Ok(found)
}

/// Seals anew what other keys than the first have sealed, until nothing is left that can be opened.
pub async fn rotate(pool: &sqlx::PgPool, keys: &SealingKeys) -> Result<Rotated, Failure> {
    let mut rotated = Rotated::default();
    loop {
        let before = rotated.sealed_anew;
        (rotated.changed_meanwhile, rotated.unopened) = (0, Vec::new());
        rotate_accounts(pool, keys, &mut rotated).await?;
        rotate_plans(pool, keys, &mut rotated).await?;
        rotate_replies(pool, keys, &mut rotated).await?;
        if rotated.sealed_anew == before && rotated.changed_meanwhile == 0 {
            return Ok(rotated);
        }
    }
}

async fn rotate_accounts(pool: &sqlx::PgPool, keys: &SealingKeys, rotated: &mut Rotated) -> Result<(), Failure> {
    let mut after = String::new();
    loop {
        let batch = sealed::accounts(pool, keys.sealing_id(), &after, BATCH).await?;
        let Some((last, _)) = batch.last() else { return Ok(()) };
        after.clone_from(last);
        for (s3uid, old) in batch {
            match account_anew(keys, &s3uid, &old) {
                Ok((s3uid, new)) => rotated.replaced(sealed::replace_account(pool, &s3uid, &old, &new).await?),
                Err(error) => rotated.unopened.push(format!("account {s3uid}: {error}")),
            }
        }
    }
}

fn account_anew(keys: &SealingKeys, s3uid: &str, old: &Sealed) -> Result<(S3Uid, Sealed), SealingError> {
    let s3uid = S3Uid::from_str(s3uid).map_err(|_| SealingError::Damaged)?;
    let new = keys.seal_anew(&s3uid, old)?;
    Ok((s3uid, new))
}

async fn rotate_plans(pool: &sqlx::PgPool, keys: &SealingKeys, rotated: &mut Rotated) -> Result<(), Failure> {
    for (subject, old) in sealed::plans(pool).await? {
        let mut new = old.clone();
        match seal_plan_anew(keys, &mut new) {
            Ok(()) if new == old => {}
            Ok(()) => rotated.replaced(sealed::replace_plan(pool, &subject, &old, &new).await?),
            Err(error) => rotated.unopened.push(format!("a command under way for {subject}: {error}")),
        }
    }
    Ok(())
}

/// Replaces the sealed secret of every account in a plan, wherever it stands there.
fn seal_plan_anew(keys: &SealingKeys, plan: &mut Value) -> Result<(), SealingError> {
    if let (Some(s3uid), Some(old)) = (text(plan, "s3uid"), text(plan, "sealed_secret_key")) {
        let old = Sealed::try_from(old).map_err(|_| SealingError::Damaged)?;
        if KeyId::of(&old.0) != Some(keys.sealing_id()) {
            let (_, new) = account_anew(keys, &s3uid, &old)?;
            plan["sealed_secret_key"] = Value::String(new.into());
        }
    }
    match plan {
        Value::Object(fields) => fields.values_mut().try_for_each(|field| seal_plan_anew(keys, field)),
        Value::Array(items) => items.iter_mut().try_for_each(|item| seal_plan_anew(keys, item)),
        _ => Ok(()),
    }
}

fn text(plan: &Value, field: &str) -> Option<String> {
    plan.get(field)?.as_str().map(str::to_owned)
}

async fn rotate_replies(pool: &sqlx::PgPool, keys: &SealingKeys, rotated: &mut Rotated) -> Result<(), Failure> {
    let mut after: Option<CommandKey> = None;
    loop {
        let batch = sealed::replies(pool, keys.sealing_id(), after.as_ref(), BATCH).await?;
        let Some((last, _)) = batch.last() else { return Ok(()) };
        after = Some(last.clone());
        for (key, old) in batch {
            match keys.seal_reply_anew(&key, &old) {
                Ok(new) => rotated.replaced(sealed::replace_reply(pool, &key, &old, &new).await?),
                Err(error) => rotated.unopened.push(format!("the reply to {}: {error}", key.message_id)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;

    fn keys(bytes: &[u8]) -> SealingKeys {
        let lines: Vec<String> = bytes.iter().map(|byte| STANDARD.encode([*byte; 32])).collect();
        SealingKeys::from_text(&lines.join("\n")).unwrap()
    }

    #[test]
    fn every_account_in_a_plan_is_sealed_anew() {
        let s3uid = S3Uid::random();
        let account = || {
            let sealed: String = keys(&[1]).seal(&s3uid, &"secret".into()).into();
            json!({"s3uid": s3uid, "sealed_secret_key": sealed, "quota_bytes": 7})
        };
        let old = json!({"account": account(), "made": [account(), ["bucket"]], "order_id": 1});
        let mut new = old.clone();
        seal_plan_anew(&keys(&[2, 1]), &mut new).unwrap();
        for (old, new) in [(&old["account"], &new["account"]), (&old["made"][0], &new["made"][0])] {
            assert_ne!(old, new);
            let sealed = Sealed::try_from(text(new, "sealed_secret_key").unwrap()).unwrap();
            assert_eq!(keys(&[2]).open(&s3uid, &sealed).unwrap().expose_secret(), "secret");
        }
        let mut again = new.clone();
        seal_plan_anew(&keys(&[2]), &mut again).unwrap();
        assert_eq!(again, new, "there is nothing left to do");
        let mut unknown = old.clone();
        assert!(matches!(seal_plan_anew(&keys(&[3]), &mut unknown), Err(SealingError::OtherKey { .. })));
    }
}
