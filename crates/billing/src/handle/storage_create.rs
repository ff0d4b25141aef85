//! `storage_create`: orders a package by its plan's name.

use async_trait::async_trait;
use history::{DatabaseCommand, Decision, Failure, Step};
use messages::{Request, StorageCreate};

use super::create_order::{PlanWish, Wish, place};
use crate::Billing;

#[async_trait]
impl DatabaseCommand<StorageCreate> for Billing {
    async fn decide(
        &self,
        step: &mut Step,
        request: &Request,
        parameters: &StorageCreate,
    ) -> Result<Decision, Failure> {
        let wish =
            Wish { plan: PlanWish::Name(&parameters.name), bucket_name: None, location: None, id: parameters.id };
        place(self, step, request, wish).await
    }
}
