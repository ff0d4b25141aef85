//! Double entry: every transaction sums to zero, because that is the only way to make one.

use model::{Money, MoneyError};

use super::document::Totals;

/// A kind of account; each customer has one of each per currency. Debits are positive, credits negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LedgerAccount {
    /// What customers owe.
    Receivable,
    /// What was earned, net.
    Revenue,
    /// What is owed to the tax office.
    Tax,
    /// What customers have paid too much, or were given back, and may still use.
    Credit,
    /// What came in.
    Cash,
}

impl LedgerAccount {
    /// As stored and as operators read it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Receivable => "receivable",
            Self::Revenue => "revenue",
            Self::Tax => "tax",
            Self::Credit => "credit",
            Self::Cash => "cash",
        }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionKind {
    /// An invoice or credit note was issued.
    Document,
    /// A customer paid.
    Payment,
    /// Credit of a customer settled what they owe.
    CreditApplied,
    /// What a customer needn't pay any more became credit.
    CreditGranted,
}

impl TransactionKind {
    /// As stored.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Payment => "payment",
            Self::CreditApplied => "credit_applied",
            Self::CreditGranted => "credit_granted",
        }
    }
}

/// A transaction: entries that sum to zero.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Transaction {
    pub(crate) kind: TransactionKind,
    entries: Vec<(LedgerAccount, Money)>,
}

impl Transaction {
    /// The entries by account; none is 0, and each account has one at most.
    pub(crate) fn entries(&self) -> &[(LedgerAccount, Money)] {
        &self.entries
    }

    /// An invoice: the customer owes its gross amount. A credit note is the same with negative amounts.
    pub(crate) fn document(totals: &Totals) -> Self {
        use LedgerAccount::{Receivable, Revenue, Tax};
        let entries = [(Receivable, totals.gross), (Revenue, totals.net.negated()), (Tax, totals.tax.negated())];
        Self::new(TransactionKind::Document, entries)
    }

    /// A payment, of which `settled` is for what is owed; the rest becomes credit.
    pub(crate) fn payment(amount: Money, settled: Money) -> Result<Self, MoneyError> {
        use LedgerAccount::{Cash, Credit, Receivable};
        let rest = amount.checked_add(settled.negated())?;
        let entries = [(Receivable, settled.negated()), (Credit, rest.negated()), (Cash, amount)];
        Ok(Self::new(TransactionKind::Payment, entries))
    }

    /// Credit that settles what is owed.
    pub(crate) fn credit_applied(amount: Money) -> Self {
        use LedgerAccount::{Credit, Receivable};
        Self::new(TransactionKind::CreditApplied, [(Receivable, amount.negated()), (Credit, amount)])
    }

    /// What is owed less than nothing becomes credit.
    pub(crate) fn credit_granted(amount: Money) -> Self {
        use LedgerAccount::{Credit, Receivable};
        Self::new(TransactionKind::CreditGranted, [(Receivable, amount), (Credit, amount.negated())])
    }

    fn new(kind: TransactionKind, entries: impl IntoIterator<Item = (LedgerAccount, Money)>) -> Self {
        Self { kind, entries: entries.into_iter().filter(|(_, amount)| !amount.amount().is_zero()).collect() }
    }
}

/// How much of `available` goes to each of the open amounts, in their order; each gets all of its own before the next.
pub(crate) fn settle(mut available: Money, open: &[Money]) -> Result<Vec<Money>, MoneyError> {
    let mut settled = Vec::with_capacity(open.len());
    for amount in open {
        let part = Money::rounded(available.amount().min(amount.amount()), available.currency());
        available = available.checked_add(part.negated())?;
        settled.push(part);
    }
    Ok(settled)
}
