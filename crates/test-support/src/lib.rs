//! Private RabbitMQ, PostgreSQL and radosgw for development and tests.
//!
//! [`services`] starts and stops them, [`broker`] and [`database`] give each test a corner of its own in them.
//! [`deployment`] runs the binary `purser` in such a corner, [`amqp`] and [`http`] call it as its clients do,
//! [`php`] serves the drop-in `s3.php` in front of it; [`world`] is all of that at once, for end-to-end tests. [`proxy`]
//! holds the store's answers back, [`link`] and [`store_link`] break, [`cuts`] cuts any connection at any step of a
//! command, [`flood`] sends whatever a broken or hostile publisher might, [`orders`] what must not get lost. [`whmcs`]
//! answers as WHMCS does, [`python`] has clients in another language, [`docker`] runs containers.

pub mod amqp;
pub mod broker;
pub mod cuts;
pub mod database;
pub mod deployment;
pub mod docker;
pub mod flood;
pub mod http;
pub mod link;
pub mod orders;
pub mod php;
pub mod proxy;
pub mod python;
pub mod services;
pub mod store_link;
pub mod whmcs;
pub mod world;
