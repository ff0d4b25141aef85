//! Plans, orders, services
