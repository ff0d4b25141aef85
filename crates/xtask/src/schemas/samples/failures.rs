//! Refusals as callers meet them.

use messages::{Refusal, RefusalKind};
use serde_json::json;

use super::S3UID;

/// A typical refusal of an action.
pub(crate) fn refusal(action: &str) -> Refusal {
    let missing = Refusal::account_not_found;
    match action {
        "add_payment" => Refusal::conflict("the payment \"SEPA 2026-11-25 4711\" of this customer is noted already"),
        "hold_service" => Refusal::new("services are held back by administrators only").of_kind(RefusalKind::Forbidden),
        "get_invoice" => Refusal::not_found("invoice not found"),
        "list_invoices" => Refusal::new("open must be 1 (not paid yet) or 0 (all)"),
        "change_plan" | "plan_change_preview" => Refusal::conflict("S3 plan 2 is not active"),
        "create_order" => Refusal::conflict(
            "S3 account was being created, but a bucket creation error occurred - Bucket name already taken",
        )
        .with_details(json!({"s3uid": S3UID})),
        "create_account" => Refusal::conflict(
            "S3 account was being created, however a bucket creation error occurred - Bucket name already taken. \
             Please notify the administrator.",
        )
        .with_details(json!({"s3uid": S3UID})),
        "delete_bucket" => Refusal::conflict("Delete S3 bucket error: Bucket not empty or access denied"),
        "delete_file" => Refusal::not_found("File not found"),
        "get_buckets" => Refusal::not_found("Load bucket error: S3 account not found for this customer"),
        "get_files" => missing().with_details(json!({"s3uid": "abc-123"})),
        "get_users" | "storage_prices" => Refusal::not_found("customer not found"),
        "history" | "list_plans" | "storage_create" => Refusal::not_found("S3 plan not found"),
        "show_key" => Refusal::not_found("s3/show_key: customer not found")
            .with_details(json!({"error": "S3 account not found for this customer"})),
        "update_traffic_info" => {
            let message = "update_traffic_info is for administrators; the figures are read regularly";
            Refusal::new(message).of_kind(RefusalKind::Forbidden)
        }
        _ if action.starts_with("storage_") => Refusal::not_found("package not found"),
        _ => missing(),
    }
}
