//! HTTP to AMQP
