//! Builds the appliance, opens its listeners, starts its workers and stops them in order.

pub mod demo_peer;
