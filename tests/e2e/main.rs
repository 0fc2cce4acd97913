//! End to end: the whole appliance in this process, met from outside over real sockets.

mod browser;
