//! For whom a token or an API key is.

use anyhow::bail;
use clap::Args;
use model::{CustomerId, Principal};

#[derive(Debug, Args)]
pub(super) struct Bearer {
    /// For this customer; with --admin, the administrator's own customer id
    #[arg(long, value_name = "ID", required_unless_present = "admin", value_parser = clap::value_parser!(i64).range(1..))]
    customer: Option<i64>,
    /// For an administrator, who acts for any customer
    #[arg(long)]
    admin: bool,
}

impl Bearer {
    pub(super) fn principal(&self) -> anyhow::Result<Principal> {
        match (self.admin, self.customer.map(CustomerId)) {
            (true, customer) => Ok(Principal::Admin(customer)),
            (false, Some(customer)) => Ok(Principal::Customer(customer)),
            (false, None) => bail!("say whom it is for: --customer ID or --admin"),
        }
    }
}
