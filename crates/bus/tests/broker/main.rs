//! The bus against a real RabbitMQ, each test in a virtual host of its own.

mod consuming;
mod fixture;
mod least_privilege;
mod parked;
mod permissions;
mod poison;
mod publishing;
mod reconnecting;
mod topology;
