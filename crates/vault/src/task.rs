//! Work beside other work.

use std::pin::Pin;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Begins work that goes on by itself. Behind one type, as the runtime would be compiled anew for each: 51 KB in all.
pub fn spawn(work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(Box::pin(work) as Pin<Box<dyn Future<Output = ()> + Send>>)
}

/// The same for work that somebody waits for, who gets nothing if it panics.
pub fn begin<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> oneshot::Receiver<T> {
    let (sender, outcome) = oneshot::channel();
    // Whoever waited may have gone away.
    spawn(async move { drop(sender.send(work.await)) });
    outcome
}
