//! SMTP without a socket: the server session and the client, as machines.
