//! An invoice as a page for printing: one file, without scripts and without anything to load.

use std::borrow::Cow;
use std::collections::BTreeMap;

use messages::{InvoiceAmounts, InvoiceCustomerReply, InvoiceKind, InvoiceLineReply, InvoiceReply};
use model::Currency;
use rust_decimal::Decimal;

use super::{amount, days, kind, open_words, price};

const STYLE: &str = include_str!("invoice.css");

/// The page. Whatever the invoice says is escaped.
pub(super) fn page(invoice: &InvoiceReply) -> String {
    let InvoiceReply { number, s3uid, name, billing_entity, customer, issued_at, due_date, amounts, .. } = invoice;
    let (what, currency) = (kind(invoice.kind), amounts.currency);
    let lines: String = amounts.lines.iter().map(|line| line_row(line, currency)).collect();
    let due = match invoice.kind {
        InvoiceKind::Invoice => fact("Due", &due_date.to_string()),
        InvoiceKind::CreditNote => String::new(),
    };
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{what} {title}</title>
<style>
{STYLE}</style>
</head>
<body>
<header>
<p class="seller">{seller}</p>
<address>
{address}</address>
</header>
<h1>{what}</h1>
<dl>
{number}{issued}{due}{customer_number}{account}</dl>
<table>
<thead>
<tr><th>Description</th><th>Period</th><th>Quantity</th><th>Unit price</th><th>Net</th><th>Tax %</th><th>Tax</th><th>Gross</th></tr>
</thead>
<tbody>
{lines}</tbody>
<tfoot>
{totals}</tfoot>
</table>
{tax_note}<p class="open">{open}</p>
</body>
</html>
"#,
        title = escape(number),
        seller = escape(billing_entity),
        address = address(customer),
        number = fact("Number", number),
        issued = fact("Date", &issued_at.0.date_naive().to_string()),
        customer_number = fact("Customer", &customer.id.to_string()),
        account = fact("S3 account", &format!("{name} ({s3uid})")),
        totals = totals(amounts),
        tax_note = tax_note(amounts),
        open = escape(&open_words(invoice)),
    )
}

/// Text between tags and in attributes.
fn escape(text: &str) -> String {
    let escaped = |c: char| match c {
        '&' => Cow::Borrowed("&amp;"),
        '<' => Cow::Borrowed("&lt;"),
        '>' => Cow::Borrowed("&gt;"),
        '"' => Cow::Borrowed("&quot;"),
        '\'' => Cow::Borrowed("&#39;"),
        c => Cow::Owned(c.to_string()),
    };
    text.chars().map(escaped).collect()
}

fn fact(name: &str, value: &str) -> String {
    format!("<dt>{}</dt><dd>{}</dd>\n", escape(name), escape(value))
}

/// Whom it is for, line by line; what isn't known has none.
fn address(customer: &InvoiceCustomerReply) -> String {
    let vat_id = if customer.vat_id.is_empty() { String::new() } else { format!("VAT id {}", customer.vat_id) };
    let name = std::iter::once(customer.name.as_str());
    let rest = [customer.country.as_str(), &vat_id, &customer.email];
    name.chain(customer.address.lines())
        .chain(rest)
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| format!("{}<br>\n", escape(line)))
        .collect::<Vec<_>>()
        .concat()
}

fn row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|cell| format!("<td>{}</td>", escape(&cell))).collect();
    format!("<tr>{}</tr>\n", cells.concat())
}

fn line_row(line: &InvoiceLineReply, currency: Currency) -> String {
    row([
        line.description.clone(),
        days(line),
        format!("{} {}", line.quantity.normalize(), line.unit),
        price(line.unit_price, currency),
        amount(line.net, currency),
        line.tax_percent.normalize().to_string(),
        amount(line.tax, currency),
        amount(line.gross, currency),
    ])
}

/// The sums by rate, then of everything.
fn totals(amounts: &InvoiceAmounts) -> String {
    let mut rates: BTreeMap<Decimal, [Decimal; 3]> = BTreeMap::new();
    for line in &amounts.lines {
        let sums = rates.entry(line.tax_percent).or_default();
        for (sum, part) in sums.iter_mut().zip([line.net, line.tax, line.gross]) {
            *sum += part;
        }
    }
    let currency = amounts.currency;
    let total_row = |class: &str, what: String, percent: String, [net, tax, gross]: [Decimal; 3]| {
        let (net, tax, gross) = (amount(net, currency), amount(tax, currency), amount(gross, currency));
        format!(
            "<tr class=\"{class}\"><td colspan=\"4\">{}</td><td>{net}</td><td>{percent}</td><td>{tax}</td><td>{gross}</td></tr>\n",
            escape(&what)
        )
    };
    let of_rate = |(percent, sums): (&Decimal, &[Decimal; 3])| {
        let percent = percent.normalize().to_string();
        total_row("rate", format!("Taxed with {percent} %"), percent, *sums)
    };
    let by_rate: String = rates.iter().map(of_rate).collect();
    let all = [amounts.net, amounts.tax, amounts.gross];
    format!("{by_rate}{}", total_row("total", format!("Total in {currency}"), String::new(), all))
}

fn tax_note(amounts: &InvoiceAmounts) -> &'static str {
    match amounts.lines.iter().filter(|line| line.tax_percent.is_zero()).count() {
        0 => "",
        untaxed if untaxed == amounts.lines.len() => "<p>Tax exempt: no tax is charged (0 %).</p>\n",
        _ => "<p>On what is taxed with 0 % no tax is charged.</p>\n",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn line(description: &str, days: [&str; 2], net: &str, tax_percent: &str, tax: &str, gross: &str) -> Value {
        json!({
            "kind": "base_fee", "description": description, "period_start": days[0], "period_end": days[1],
            "quantity": "0.870967742", "unit": "period", "unit_price": "9.8", "net": net,
            "tax_percent": tax_percent, "tax": tax, "gross": gross,
        })
    }

    fn invoice() -> Value {
        let days = ["2026-03-05", "2026-04-01"];
        json!({
            "number": "NL-2026-000007", "kind": "invoice", "s3uid": "5f8e9d2a1b0c4e3f7a6b5c4d3e2f1a0b",
            "name": "S3-1001", "billing_entity": "Example Hosting & Sons", "issued_at": "2026-03-05 13:14:15",
            "due_date": "2026-03-19", "open": "8.54", "currency": "EUR", "net": "9.54", "tax": "0", "gross": "10.33",
            "customer": {
                "id": 1, "name": "<script>alert('1')</script>", "address": "Main \"Street\" 1\n\n1234 AB Town\n",
                "country": "NL", "vat_id": "NL123456789B01", "email": "alice@example.com",
            },
            "lines": [
                line("Standard S3 Plan", days, "8.54", "21.0", "1.79", "10.33"),
                line("Traffic beyond what is included", ["2026-03-05", "2026-03-06"], "1", "0", "0", "1"),
            ],
        })
    }

    fn rendered(invoice: Value) -> String {
        page(&serde_json::from_value(invoice).unwrap())
    }

    #[test]
    fn the_page_says_what_the_invoice_says() {
        let page = rendered(invoice());
        for part in [
            "<title>Invoice NL-2026-000007</title>",
            "<p class=\"seller\">Example Hosting &amp; Sons</p>",
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;<br>\nMain &quot;Street&quot; 1<br>\n1234 AB Town<br>\nNL<br>\n\
             VAT id NL123456789B01<br>\nalice@example.com<br>\n</address>",
            "<dt>Date</dt><dd>2026-03-05</dd>",
            "<dt>Due</dt><dd>2026-03-19</dd>",
            "<dt>S3 account</dt><dd>S3-1001 (5f8e9d2a1b0c4e3f7a6b5c4d3e2f1a0b)</dd>",
            "<td>Standard S3 Plan</td><td>2026-03-05 – 2026-03-31</td><td>0.870967742 period</td><td>9.80</td>\
             <td>8.54</td><td>21</td><td>1.79</td><td>10.33</td>",
            "<td>2026-03-05</td>",
            "<td colspan=\"4\">Taxed with 0 %</td><td>1.00</td><td>0</td><td>0.00</td><td>1.00</td>",
            "<td colspan=\"4\">Taxed with 21 %</td><td>8.54</td><td>21</td><td>1.79</td><td>10.33</td>",
            "<td colspan=\"4\">Total in EUR</td><td>9.54</td><td></td><td>0.00</td><td>10.33</td>",
            "<p>On what is taxed with 0 % no tax is charged.</p>",
            "<p class=\"open\">To be paid until 2026-03-19: 8.54 EUR</p>",
        ] {
            assert!(page.contains(part), "{part}\nis not in\n{page}");
        }
    }

    #[test]
    fn nothing_is_loaded_and_nothing_runs() {
        let mut invoice = invoice();
        for place in ["/number", "/name", "/billing_entity", "/customer/address", "/customer/vat_id", "/customer/email"]
        {
            *invoice.pointer_mut(place).unwrap() = json!("\"><script src='//x'>&amp;</script><style>");
        }
        invoice["lines"][0]["description"] = json!("</td><img src=x onerror=alert(1)>");
        let page = rendered(invoice);
        for forbidden in ["<script", "<img", "<link", "http:", "https:", "url(", "@import"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert_eq!(page.matches("<style>").count(), 1);
    }

    #[test]
    fn a_credit_note_has_nothing_due() {
        let mut note = invoice();
        note["kind"] = json!("credit_note");
        note["number"] = json!("NL-CN-2026-000001");
        note["open"] = json!("0");
        note["lines"] = json!([line("Credit", ["2026-03-10", "2026-04-01"], "-8.54", "0", "0", "-8.54")]);
        let page = rendered(note);
        for part in [
            "<h1>Credit note</h1>",
            "<p class=\"open\">Nothing is open.</p>",
            "<td>-8.54</td>",
            "<p>Tax exempt: no tax is charged (0 %).</p>",
        ] {
            assert!(page.contains(part), "{part}\nis not in\n{page}");
        }
        assert!(!page.contains("<dt>Due</dt>"));
    }

    #[test]
    fn amounts_have_their_currencys_decimals() {
        let mut yen = invoice();
        (yen["currency"], yen["open"], yen["gross"]) = (json!("JPY"), json!("1100"), json!("1100.00"));
        yen["lines"][0]["unit_price"] = json!("0.0500");
        let page = rendered(yen);
        assert!(page.contains("To be paid until 2026-03-19: 1100 JPY") && page.contains("<td>0.05</td>"), "{page}");
        assert!(!page.contains("1100.00"));
    }
}
