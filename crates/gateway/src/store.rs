//! SQL of the schema `auth`, and of the view on all commands.

pub(crate) mod api_keys;
pub(crate) mod callbacks;
pub(crate) mod tokens;

use sqlx::PgPool;

/// Whether the database answers.
pub(crate) async fn ping(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query!(r#"SELECT 1 AS "one!""#).fetch_one(pool).await.map(drop)
}
