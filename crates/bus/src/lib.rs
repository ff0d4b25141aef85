//! RabbitMQ: topology, confirmed publish, RPC, consume loop, retry, parking, reconnect
