//! Invoices and their payments.

use chrono::{NaiveDate, NaiveDateTime};
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::call::Call;
use crate::pages::page;
use crate::{Client, ClientId, Error, InvoiceId, InvoiceStatus, lenient};

/// An invoice as a list shows it. Amounts are in the client's currency.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InvoiceSummary {
    /// Its number inside WHMCS.
    pub id: InvoiceId,
    /// Who pays.
    #[serde(rename = "userid")]
    pub client: ClientId,
    /// Its number as clients see it, where that is another one.
    #[serde(default, rename = "invoicenum", deserialize_with = "lenient::optional_text")]
    pub number: Option<String>,
    /// Its date.
    #[serde(default, deserialize_with = "lenient::date")]
    pub date: Option<NaiveDate>,
    /// Until when it is to be paid.
    #[serde(default, rename = "duedate", deserialize_with = "lenient::date")]
    pub due_date: Option<NaiveDate>,
    /// When it was paid in full, in WHMCS's time zone.
    #[serde(default, rename = "datepaid", deserialize_with = "lenient::time")]
    pub paid_at: Option<NaiveDateTime>,
    /// Without tax.
    #[serde(default, deserialize_with = "lenient::money")]
    pub subtotal: Decimal,
    /// With tax, less what was taken from the client's credit.
    #[serde(default, deserialize_with = "lenient::money")]
    pub total: Decimal,
    /// Its state.
    pub status: InvoiceStatus,
    /// How it is paid, in WHMCS's system name.
    #[serde(default, rename = "paymentmethod", deserialize_with = "lenient::text")]
    pub payment_method: String,
    /// ISO 4217, three letters.
    #[serde(default, rename = "currencycode", deserialize_with = "lenient::text")]
    pub currency_code: String,
}

page!(Invoices, invoices, "lenient::invoices", InvoiceSummary);

/// An invoice with all that is on it. Amounts are in the client's currency.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Invoice {
    /// Its number inside WHMCS.
    #[serde(rename = "invoiceid")]
    pub id: InvoiceId,
    /// Who pays.
    #[serde(rename = "userid")]
    pub client: ClientId,
    /// Its number as clients see it, where that is another one.
    #[serde(default, rename = "invoicenum", deserialize_with = "lenient::optional_text")]
    pub number: Option<String>,
    /// Its date.
    #[serde(default, deserialize_with = "lenient::date")]
    pub date: Option<NaiveDate>,
    /// Until when it is to be paid.
    #[serde(default, rename = "duedate", deserialize_with = "lenient::date")]
    pub due_date: Option<NaiveDate>,
    /// When it was paid in full, in WHMCS's time zone.
    #[serde(default, rename = "datepaid", deserialize_with = "lenient::time")]
    pub paid_at: Option<NaiveDateTime>,
    /// Without tax.
    #[serde(default, deserialize_with = "lenient::money")]
    pub subtotal: Decimal,
    /// What was taken from the client's credit.
    #[serde(default, deserialize_with = "lenient::money")]
    pub credit: Decimal,
    /// The first tax.
    #[serde(default, deserialize_with = "lenient::money")]
    pub tax: Decimal,
    /// The second one.
    #[serde(default, deserialize_with = "lenient::money")]
    pub tax2: Decimal,
    /// With tax, less the credit.
    #[serde(default, deserialize_with = "lenient::money")]
    pub total: Decimal,
    /// What is still to be paid.
    #[serde(deserialize_with = "lenient::money")]
    pub balance: Decimal,
    /// Its state.
    pub status: InvoiceStatus,
    /// How it is paid, in WHMCS's system name.
    #[serde(default, rename = "paymentmethod", deserialize_with = "lenient::text")]
    pub payment_method: String,
    /// What it is for.
    #[serde(default, deserialize_with = "lenient::items")]
    pub items: Vec<InvoiceItem>,
    /// What was paid.
    #[serde(default, deserialize_with = "lenient::transactions")]
    pub transactions: Vec<Transaction>,
}

/// A line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InvoiceItem {
    /// Its number.
    #[serde(deserialize_with = "lenient::int")]
    pub id: i64,
    /// `Hosting` for a service, `Item` for a billable item, ….
    #[serde(default, rename = "type", deserialize_with = "lenient::text")]
    pub kind: String,
    /// The number of the service or the item; 0 for none.
    #[serde(default, rename = "relid", deserialize_with = "lenient::count")]
    pub related: u64,
    /// What the client reads.
    #[serde(default, deserialize_with = "lenient::text")]
    pub description: String,
    /// Without tax.
    #[serde(deserialize_with = "lenient::money")]
    pub amount: Decimal,
}

/// A payment of an invoice, or a refund.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Transaction {
    /// The payment method's own number for it.
    #[serde(default, rename = "transid", deserialize_with = "lenient::text")]
    pub transaction_id: String,
    /// When, in WHMCS's time zone.
    #[serde(default, deserialize_with = "lenient::time")]
    pub date: Option<NaiveDateTime>,
    /// The payment method's system name.
    #[serde(default, deserialize_with = "lenient::text")]
    pub gateway: String,
    /// What was paid.
    #[serde(default, rename = "amountin", deserialize_with = "lenient::money")]
    pub amount_in: Decimal,
    /// What was paid back.
    #[serde(default, rename = "amountout", deserialize_with = "lenient::money")]
    pub amount_out: Decimal,
}

/// A payment that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoicePayment {
    /// What is paid.
    pub invoice: InvoiceId,
    /// The payment method's own number for it. WHMCS takes the same one twice.
    pub transaction_id: String,
    /// The payment method's system name.
    pub gateway: String,
    /// When, in WHMCS's time zone.
    pub date: NaiveDateTime,
    /// How much, in the client's currency; all that is still to be paid where it is `None`.
    pub amount: Option<Decimal>,
    /// What the payment method keeps.
    pub fees: Option<Decimal>,
    /// Whether WHMCS sends no confirmation.
    pub no_email: bool,
}

impl Client {
    /// All invoices of a client, through all pages; those in one state, if it is named.
    pub async fn get_invoices(
        &self,
        client: ClientId,
        status: Option<&InvoiceStatus>,
    ) -> Result<Vec<InvoiceSummary>, Error> {
        let call = Call::new("GetInvoices")
            .with("userid", client)
            .with_some("status", status)
            // What is added meanwhile comes at the end, and moves nothing to another page.
            .with("orderby", "id")
            .with("order", "asc");
        self.pages::<Invoices>(call).await
    }

    /// The invoice, if there is one.
    pub async fn get_invoice(&self, id: InvoiceId) -> Result<Option<Invoice>, Error> {
        match self.call(Call::new("GetInvoice").with("invoiceid", id)).await {
            Ok(invoice) => Ok(Some(invoice)),
            Err(error) if error.is_refusal("Invoice ID Not Found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Notes a payment. **The same again is a second one**: look at the invoice's transactions before.
    pub async fn add_invoice_payment(&self, payment: &InvoicePayment) -> Result<(), Error> {
        let call = Call::new("AddInvoicePayment")
            .with("invoiceid", payment.invoice)
            .with("transid", &payment.transaction_id)
            .with("gateway", &payment.gateway)
            .with("date", &payment.date.format("%Y-%m-%d %H:%M:%S"))
            .with_some("amount", payment.amount)
            .with_some("fees", payment.fees)
            .with_flag("noemail", payment.no_email);
        self.call_for_nothing(call).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_invoice_is_read_with_and_without_payments() {
        let transaction = json!({
            "id": "1", "gateway": "mailin", "date": "2031-02-05 10:00:00", "amountin": "5.00", "amountout": "0.00",
            "transid": "T-1",
        });
        for (transactions, expected) in [
            (json!(""), 0),
            (json!({"transaction": transaction}), 1),
            (json!({"transaction": [transaction, transaction]}), 2),
        ] {
            let invoice: Invoice = serde_json::from_value(json!({
                "invoiceid": 4, "invoicenum": "", "userid": "12", "date": "2031-02-03", "duedate": "2031-02-17",
                "datepaid": "0000-00-00 00:00:00", "subtotal": "8.40", "credit": "0.00", "tax": "1.60", "tax2": "0.00",
                "total": "10.00", "balance": "5.00", "status": "Unpaid", "paymentmethod": "mailin", "ccgateway": false,
                "items": {"item": [
                    {"id": 1, "type": "Hosting", "relid": 31, "description": "Box", "amount": "8.40", "taxed": 1},
                    {"id": "2", "type": "", "relid": "", "description": "Nothing", "amount": "0.00", "taxed": 0},
                ]},
                "transactions": transactions,
            }))
            .unwrap();
            assert_eq!((invoice.id, invoice.client, invoice.number), (InvoiceId(4), ClientId(12), None));
            assert_eq!((invoice.balance, invoice.paid_at), (Decimal::from(5), None));
            assert_eq!((invoice.items.len(), invoice.items[0].related, invoice.items[1].related), (2, 31, 0));
            assert_eq!(invoice.transactions.len(), expected);
        }
    }

    #[test]
    fn an_invoice_in_a_list_is_read() {
        let page: Invoices = serde_json::from_value(json!({
            "totalresults": 1, "startnumber": 0, "numreturned": 1,
            "invoices": {"invoice": [{
                "id": 4, "userid": 12, "invoicenum": "2031-0004", "date": "2031-02-03", "duedate": "2031-02-17",
                "datepaid": "2031-02-05 10:00:00", "subtotal": "8.40", "total": "10.00", "status": "Paid",
                "paymentmethod": "mailin", "currencycode": "EUR",
            }]},
        }))
        .unwrap();
        let invoice = &page.invoices[0];
        assert_eq!((invoice.id, invoice.number.as_deref()), (InvoiceId(4), Some("2031-0004")));
        assert_eq!((invoice.total, &invoice.status), (Decimal::from(10), &InvoiceStatus::Paid));
        assert_eq!(invoice.paid_at.unwrap().to_string(), "2031-02-05 10:00:00");
    }
}
