//! What is sealed, wherever it lies: secret keys of accounts, the same in plans of intents, saved replies.

use history::Failure;
use messages::CommandKey;
use model::S3Uid;
use serde_json::Value;
use sqlx::PgPool;

use crate::domain::sealing::{KeyId, Sealed};

/// How much one key has sealed of something.
pub(crate) struct Tally {
    pub(crate) place: String,
    pub(crate) key_id: Vec<u8>,
    pub(crate) count: i64,
}

/// Everything that is sealed, by the key that sealed it.
pub(crate) async fn counts(pool: &PgPool) -> Result<Vec<Tally>, Failure> {
    let counts = sqlx::query_as!(
        Tally,
        r#"SELECT place AS "place!", key_id AS "key_id!", count(*) AS "count!" FROM (
             SELECT 'accounts' AS place, substr(sealed_secret_key, 1, 4) AS key_id
             FROM provisioner.accounts WHERE sealed_secret_key <> ''
             UNION ALL
             SELECT 'intents', substr(decode(sealed #>> '{}', 'base64'), 1, 4)
             FROM provisioner.intents, jsonb_path_query(plan, 'strict $.**.sealed_secret_key') sealed
             UNION ALL
             SELECT 'replies', substr(sealed_reply, 1, 4)
             FROM provisioner.answered_commands WHERE sealed_reply IS NOT NULL
           ) sealed GROUP BY place, key_id ORDER BY place, key_id"#
    )
    .fetch_all(pool)
    .await?;
    Ok(counts)
}

/// Accounts whose secret another key than this one has sealed, by s3uid, after one of them.
pub(crate) async fn accounts(
    pool: &PgPool,
    sealing: KeyId,
    after: &str,
    limit: i64,
) -> Result<Vec<(String, Sealed)>, Failure> {
    let rows = sqlx::query!(
        "SELECT s3uid, sealed_secret_key FROM provisioner.accounts
         WHERE sealed_secret_key <> '' AND substr(sealed_secret_key, 1, 4) <> $1 AND s3uid > $2
         ORDER BY s3uid LIMIT $3",
        sealing.as_bytes(),
        after,
        limit
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.s3uid, Sealed(row.sealed_secret_key))).collect())
}

/// Puts a sealed secret in the place of another. False: it was changed meanwhile.
pub(crate) async fn replace_account(pool: &PgPool, s3uid: &S3Uid, old: &Sealed, new: &Sealed) -> Result<bool, Failure> {
    let done = sqlx::query!(
        "UPDATE provisioner.accounts SET sealed_secret_key = $3 WHERE s3uid = $1 AND sealed_secret_key = $2",
        s3uid.as_str(),
        old.0,
        new.0
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Open intents whose plan holds a sealed secret, with their subjects. There are as many as commands are under way.
pub(crate) async fn plans(pool: &PgPool) -> Result<Vec<(String, Value)>, Failure> {
    let rows = sqlx::query!(
        "SELECT subject, plan FROM provisioner.intents
         WHERE jsonb_path_exists(plan, 'strict $.**.sealed_secret_key') ORDER BY subject"
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.subject, row.plan)).collect())
}

/// Puts a plan in the place of another. False: that has been carried out or changed meanwhile.
pub(crate) async fn replace_plan(pool: &PgPool, subject: &str, old: &Value, new: &Value) -> Result<bool, Failure> {
    let done =
        sqlx::query!("UPDATE provisioner.intents SET plan = $3 WHERE subject = $1 AND plan = $2", subject, old, new)
            .execute(pool)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// Replies that another key than this one has sealed, by their command, after one of them.
pub(crate) async fn replies(
    pool: &PgPool,
    sealing: KeyId,
    after: Option<&CommandKey>,
    limit: i64,
) -> Result<Vec<(CommandKey, Sealed)>, Failure> {
    let rows = sqlx::query!(
        r#"SELECT principal, message_id, sealed_reply AS "sealed_reply!" FROM provisioner.answered_commands
           WHERE sealed_reply IS NOT NULL AND substr(sealed_reply, 1, 4) <> $1
               AND ($2::text IS NULL OR (principal, message_id) > ($2, $3::uuid))
           ORDER BY principal, message_id LIMIT $4"#,
        sealing.as_bytes(),
        after.map(|key| key.principal.as_str()),
        after.map(|key| key.message_id),
        limit
    )
    .fetch_all(pool)
    .await?;
    let key = |principal, message_id| CommandKey { principal, message_id };
    Ok(rows.into_iter().map(|row| (key(row.principal, row.message_id), Sealed(row.sealed_reply))).collect())
}

/// Puts a sealed reply in the place of another. False: it was changed or forgotten meanwhile.
pub(crate) async fn replace_reply(
    pool: &PgPool,
    key: &CommandKey,
    old: &Sealed,
    new: &Sealed,
) -> Result<bool, Failure> {
    let done = sqlx::query!(
        "UPDATE provisioner.answered_commands SET sealed_reply = $4
         WHERE principal = $1 AND message_id = $2 AND sealed_reply = $3",
        key.principal,
        key.message_id,
        old.0,
        new.0
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}
