//! A stand-in for WHMCS: its API over HTTP, with clients, orders, services and invoices in memory.
//!
//! It answers as WHMCS documents it, quirks included, and checks itself: an answer that hasn't the documented fields
//! and types, and a request with parameters that WHMCS doesn't know, that it needs or that have the wrong type, is a
//! violation. It is answered with 500, and fails the test when the [`Whmcs`] is dropped. `fields.json` holds those
//! fields.
//!
//! What WHMCS does by itself happens on request: [`Whmcs::run_invoicing`].

mod actions;
mod books;
mod controls;
mod fields;
mod parameters;
mod php;
mod server;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use chrono::{NaiveDate, NaiveDateTime};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

pub use actions::PAYMENT_METHODS;
pub use books::{
    BillableItem, CancelRequest, Client, Invoice, InvoiceItem, Megabytes, Order, Payment, Product, Service,
};

use books::Books;
use controls::{Controls, Planned};

/// The identifier of the API credentials that are let in.
pub const IDENTIFIER: &str = "purser-test-identifier";
/// Their secret.
pub const SECRET: &str = "purser-test-secret";

/// A running stand-in; ends when it is dropped.
#[derive(Debug)]
pub struct Whmcs {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    line: tokio::sync::Mutex<Line>,
}

#[derive(Debug, Default)]
struct State {
    books: Books,
    controls: Controls,
}

/// Whether it can be reached.
#[derive(Debug)]
enum Line {
    Up(JoinHandle<()>),
    /// Its port, kept from others; connections are refused.
    Down(TcpSocket),
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Whmcs {
    /// Starts one on a free loopback port, with nothing in its books.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, state) = (listener.local_addr()?, Arc::<Mutex<State>>::default());
        let task = tokio::spawn(server::serve(listener, Arc::clone(&state)));
        Ok(Self { address, state, line: tokio::sync::Mutex::new(Line::Up(task)) })
    }

    /// Its base address: `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts all connections and refuses new ones.
    pub async fn down(&self) -> Result<()> {
        let mut line = self.line.lock().await;
        let Line::Up(task) = &mut *line else { return Ok(()) };
        task.abort();
        // It can only say that it was aborted.
        let _ = task.await;
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        *line = Line::Down(socket);
        Ok(())
    }

    /// Ends [`Whmcs::down`]; the books are as they were.
    pub async fn up(&self) -> Result<()> {
        let mut line = self.line.lock().await;
        if matches!(*line, Line::Up(_)) {
            return Ok(());
        }
        // Stands in while the socket becomes a listener.
        let task = tokio::spawn(async {});
        if let Line::Down(socket) = std::mem::replace(&mut *line, Line::Up(task)) {
            let listener = socket.listen(64)?;
            *line = Line::Up(tokio::spawn(server::serve(listener, Arc::clone(&self.state))));
        }
        Ok(())
    }

    fn plan(&self, action: &str, planned: Planned) {
        self.controls(|controls| controls.plan(action, planned));
    }

    fn controls<T>(&self, work: impl FnOnce(&mut Controls) -> T) -> T {
        work(&mut lock(&self.state).controls)
    }

    /// Does the next call of `action`, and never answers it: the caller can't know what became of it.
    pub fn hang_after_effect(&self, action: &str) {
        self.plan(action, Planned::HangAfterEffect);
    }

    /// Does the next call of `action`, and cuts the connection instead of answering.
    pub fn cut_after_effect(&self, action: &str) {
        self.plan(action, Planned::CutAfterEffect);
    }

    /// Refuses the next call of `action` with `message`.
    pub fn fail_next(&self, action: &str, message: &str) {
        self.plan(action, Planned::Refuse(message.to_owned()));
    }

    /// Answers the next call of `action` with a status and a body of the test's choice, and does nothing.
    pub fn answer_next(&self, action: &str, status: u16, body: &str) {
        self.plan(action, Planned::Answer { status, body: body.to_owned() });
    }

    /// Takes away the permission for `action`.
    pub fn forbid(&self, action: &str) {
        self.controls(|controls| controls.forbidden.insert(action.to_ascii_lowercase()));
    }

    /// Gives it back.
    pub fn allow(&self, action: &str) {
        self.controls(|controls| controls.forbidden.remove(&action.to_ascii_lowercase()));
    }

    /// Lets callers in with this access key only, as if their address were not on the list.
    pub fn require_access_key(&self, key: &str) {
        self.controls(|controls| controls.access_key = Some(key.to_owned()));
    }

    /// Stops its clock at this time; it follows the system's otherwise, in UTC.
    pub fn set_now(&self, now: NaiveDateTime) {
        self.controls(|controls| controls.now = Some(now));
    }

    /// How many requests for `action` came, whatever became of them.
    pub fn calls(&self, action: &str) -> usize {
        self.controls(|controls| controls.calls.get(&action.to_ascii_lowercase()).copied().unwrap_or_default())
    }

    /// What was wrong with requests and answers so far; they are forgotten with this.
    pub fn take_violations(&self) -> Vec<String> {
        self.controls(|controls| std::mem::take(&mut controls.violations))
    }

    /// What was wrong with requests and answers so far.
    pub fn violations(&self) -> Vec<String> {
        self.controls(|controls| controls.violations.clone())
    }

    /// Adds a client, or replaces the one of that number.
    pub fn add_client(&self, client: Client) {
        self.books(|books, _| books.clients.insert(client.id, client));
    }

    /// Adds a product, or replaces the one of that number.
    pub fn add_product(&self, product: Product) {
        self.books(|books, _| books.products.insert(product.id, product));
    }

    /// Adds an active service that nobody ordered, and returns its number.
    pub fn add_service(&self, client: i64, product: i64) -> i64 {
        self.books(|books, now| books.add_service(client, product, now.date()))
    }

    /// Changes a service behind the API's back; nothing where there is none.
    pub fn edit_service(&self, id: i64, change: impl FnOnce(&mut Service)) {
        self.books(|books, _| books.services.get_mut(&id).map(change));
    }

    /// Changes an invoice behind the API's back; nothing where there is none.
    pub fn edit_invoice(&self, id: i64, change: impl FnOnce(&mut Invoice)) {
        self.books(|books, _| books.invoices.get_mut(&id).map(change));
    }

    /// Puts the client's billable items on an invoice, as WHMCS's daily job does: all that wait but `noinvoice`, and
    /// those with a due date once `until` reaches it. Returns the invoice's number, or `None` where there was nothing.
    pub fn run_invoicing(&self, client: i64, until: NaiveDate) -> Option<i64> {
        self.books(|books, now| books.invoice_billable_items(client, until, now.date()))
    }

    fn books<T>(&self, work: impl FnOnce(&mut Books, NaiveDateTime) -> T) -> T {
        let mut state = lock(&self.state);
        let now = state.controls.now();
        work(&mut state.books, now)
    }

    /// All orders, the oldest first.
    pub fn orders(&self) -> Vec<Order> {
        self.books(|books, _| books.orders.values().cloned().collect())
    }

    /// All services, the oldest first.
    pub fn services(&self) -> Vec<Service> {
        self.books(|books, _| books.services.values().cloned().collect())
    }

    /// All requests to cancel, the oldest first.
    pub fn cancel_requests(&self) -> Vec<CancelRequest> {
        self.books(|books, _| books.cancel_requests.clone())
    }

    /// All billable items, the oldest first.
    pub fn billable_items(&self) -> Vec<BillableItem> {
        self.books(|books, _| books.billable_items.clone())
    }

    /// All invoices, the oldest first.
    pub fn invoices(&self) -> Vec<Invoice> {
        self.books(|books, _| books.invoices.values().cloned().collect())
    }
}

impl Drop for Whmcs {
    fn drop(&mut self) {
        if let Line::Up(task) = self.line.get_mut() {
            task.abort();
        }
        let violations = self.violations();
        assert!(violations.is_empty() || std::thread::panicking(), "WHMCS: {}", violations.join("\n"));
    }
}
