//! SQL of the schema `auth`.

pub(crate) mod tokens;

use sqlx::PgPool;

/// Whether the database answers.
pub(crate) async fn ping(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT 1").execute(pool).await.map(drop)
}
