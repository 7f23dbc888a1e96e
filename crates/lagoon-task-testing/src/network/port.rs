//! Ports that a process is to listen on that does not run yet.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

use crate::error::Error;

/// A port of 127.0.0.1 that the system gives to nobody who asks for any port, as long as this lives; who asks for this
/// very one can listen on it. Nobody listens there until then: connections are refused.
pub struct ReservedPort {
    port: u16,
    /// Bound, and not listening.
    _socket: TcpSocket,
}

impl ReservedPort {
    /// Reserves one.
    pub fn new() -> Result<Self, Error> {
        let failed = || Error::process("Looking for a free port");
        let socket = TcpSocket::new_v4().map_err(failed())?;
        // With this, which servers set too, it does not keep them from listening.
        socket.set_reuseaddr(true).map_err(failed())?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).map_err(failed())?;
        let port = socket.local_addr().map_err(failed())?.port();
        Ok(Self { port, _socket: socket })
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.port
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// It had been taken and given back, and another server of the same test could get it in between.
    #[test]
    fn a_reserved_port_is_refused_until_its_server_listens_and_reserved_again_after_it() {
        let reserved = ReservedPort::new().unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, reserved.number()));
        for _ in 0..2 {
            assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
            let server = TcpListener::bind(address).unwrap();
            TcpStream::connect(address).unwrap();
            drop(server);
        }
        let others: Vec<_> = (0..500).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
        assert!(others.iter().all(|other| other.local_addr().unwrap() != address));
    }
}
