//! SnapStart: nothing of Vault's may lie in a snapshot, which is taken at a moment that nobody tells us.
//!
//! Lambda takes it when the runtime is done with its init, and the function's own code may ask the local Vault API
//! until then, or in a hook. So from its own start to the first invocation the extension keeps nothing: when the
//! last request that is under way has its answer, the token is revoked and what came with it forgotten, before the
//! answer goes out. A request after the restore logs in with the credentials of its environment.
//! <https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html>

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use strongroom_vault::task;

use super::Store;

/// Whether a snapshot may be taken at any moment, and how many requests are under way.
#[derive(Default)]
pub(crate) struct Snapshot {
    /// Whether one will be taken at all.
    is_to_come: AtomicBool,
    is_ahead: AtomicBool,
    under_way: AtomicUsize,
}

impl Snapshot {
    /// Of an environment that will be snapshotted.
    pub(crate) fn to_come() -> Self {
        Self { is_to_come: AtomicBool::new(true), ..Self::default() }
    }
}

/// A request that is under way while a snapshot may be taken.
pub(crate) struct Visit {
    store: Arc<Store>,
    is_over: bool,
}

impl Store {
    /// From now on a snapshot may be taken at any moment: forgets everything.
    pub(crate) async fn expect_snapshot(&self) {
        self.snapshot.is_ahead.store(true, Ordering::Relaxed);
        self.leave_nothing().await;
    }

    /// An invocation has begun: this environment is one that lives.
    pub(super) fn end_snapshots(&self) {
        self.snapshot.is_to_come.store(false, Ordering::Relaxed);
        self.snapshot.is_ahead.store(false, Ordering::Relaxed);
    }

    /// Begins a request; `None` if no snapshot will be taken.
    pub(crate) fn visit(self: &Arc<Self>) -> Option<Visit> {
        if !self.snapshot.is_to_come.load(Ordering::Relaxed) {
            return None;
        }
        self.snapshot.under_way.fetch_add(1, Ordering::Relaxed);
        Some(Visit { store: Arc::clone(self), is_over: false })
    }

    async fn leave_nothing(&self) {
        self.session.end().await;
        self.forget();
    }

    /// Whether the last request has left while a snapshot is still ahead.
    fn is_left_by_last(&self) -> bool {
        self.snapshot.under_way.fetch_sub(1, Ordering::Relaxed) == 1
            && self.snapshot.is_ahead.load(Ordering::Relaxed)
    }
}

impl Visit {
    /// Ends it, before its answer goes out.
    pub(crate) async fn end(mut self) {
        self.is_over = true;
        if self.store.is_left_by_last() {
            self.store.leave_nothing().await;
        }
    }
}

impl Drop for Visit {
    /// The client has hung up.
    fn drop(&mut self) {
        if !self.is_over && self.store.is_left_by_last() {
            let store = Arc::clone(&self.store);
            task::spawn(async move { store.leave_nothing().await });
        }
    }
}
