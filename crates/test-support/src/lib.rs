//! Private RabbitMQ, PostgreSQL and radosgw for development and tests.
//!
//! [`services`] starts and stops them, [`broker`] and [`database`] give each test a corner of its own in them.

pub mod broker;
pub mod database;
pub mod services;
