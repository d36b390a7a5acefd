//! The clock that everything goes by: the system's.
//!
//! Built with the feature `simulated-clock`, for tests that let hours pass at once, it is off by as many milliseconds
//! as a server says whose address is in `SIMULATED_CLOCK`. The layer is never built with it.

use strongroom_vault::clock::Clock;

#[cfg(not(feature = "simulated-clock"))]
pub(crate) fn start() -> Clock {
    Clock::system()
}

/// Follows the server, if there is one: it sends an offset, eight bytes, now and whenever it changes, and is told by
/// one byte that it is known.
#[cfg(feature = "simulated-clock")]
pub(crate) fn start() -> Clock {
    use std::net::TcpStream;
    use std::sync::Arc;
    use std::sync::atomic::AtomicI64;

    let server = std::env::var("SIMULATED_CLOCK").ok();
    let Some(mut server) = server.and_then(|server| TcpStream::connect(server).ok()) else {
        return Clock::system();
    };
    let offset = Arc::new(AtomicI64::new(0));
    if follow(&mut server, &offset).is_ok() {
        let offset = Arc::clone(&offset);
        std::thread::spawn(move || while follow(&mut server, &offset).is_ok() {});
    }
    Clock::with_offset(offset)
}

#[cfg(feature = "simulated-clock")]
fn follow(
    server: &mut std::net::TcpStream,
    offset: &std::sync::atomic::AtomicI64,
) -> std::io::Result<()> {
    use std::io::{Read as _, Write as _};

    let mut told = [0; 8];
    server.read_exact(&mut told)?;
    offset.store(i64::from_le_bytes(told), std::sync::atomic::Ordering::Relaxed);
    server.write_all(&[1])
}
