//! `create_account`: the same order under its other name.

use async_trait::async_trait;
use history::{DatabaseCommand, Decision, Failure, Step};
use messages::{CreateAccount, Request};

use super::create_order::place;
use crate::Billing;

#[async_trait]
impl DatabaseCommand<CreateAccount> for Billing {
    async fn decide(
        &self,
        step: &mut Step,
        request: &Request,
        parameters: &CreateAccount,
    ) -> Result<Decision, Failure> {
        place(self, step, request, (&parameters.0).into()).await
    }
}
