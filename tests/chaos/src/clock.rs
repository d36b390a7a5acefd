//! Time that is simulated: an extension that was built with the feature `simulated-clock` asks here how far its clock
//! is off, and the deadlines of the local Lambda follow.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long an extension may take to take a new time.
const PATIENCE: Duration = Duration::from_secs(2);

/// The clock of all environments.
#[derive(Debug)]
pub(crate) struct Clock {
    address: SocketAddr,
    followers: Arc<Mutex<Vec<TcpStream>>>,
    /// Milliseconds that it differs from the machine's.
    offset: Arc<AtomicI64>,
}

impl Clock {
    /// A clock that shows the machine's time.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (followers, offset) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<AtomicI64>::default());
        let (joining, shown) = (Arc::clone(&followers), Arc::clone(&offset));
        std::thread::spawn(move || {
            for follower in listener.incoming().map_while(Result::ok) {
                let mut followers = lock(&joining);
                if tell(&follower, shown.load(Ordering::SeqCst)) {
                    followers.push(follower);
                }
            }
        });
        Self { address, followers, offset }
    }

    /// Where extensions ask.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it differs from the machine's, for the local Lambda.
    pub(crate) fn offset(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.offset)
    }

    /// Moves it, for every process that follows it and runs; returns when all of them know.
    pub(crate) fn advance(&self, milliseconds: i64) {
        let mut followers = lock(&self.followers);
        let offset = self.offset.fetch_add(milliseconds, Ordering::SeqCst) + milliseconds;
        followers.retain(|follower| tell(follower, offset));
    }
}

fn lock(followers: &Mutex<Vec<TcpStream>>) -> MutexGuard<'_, Vec<TcpStream>> {
    followers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells the offset and waits until it is known; false if the process is gone.
fn tell(mut follower: &TcpStream, offset: i64) -> bool {
    let told = follower.set_read_timeout(Some(PATIENCE));
    let told = told.and_then(|()| follower.write_all(&offset.to_le_bytes()));
    told.and_then(|()| follower.read_exact(&mut [0])).is_ok()
}
