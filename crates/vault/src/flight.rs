//! Work under way for all who wait for it; given up when the last of them goes away.

use std::sync::{Arc, Weak};

use crate::client::Client;
use crate::clock::Deadline;
use crate::error::Error;
use crate::task;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Work under way, or its outcome.
#[derive(Debug)]
pub struct Flight<T> {
    outcome: watch::Receiver<Option<T>>,
    task: AbortHandle,
}

impl<T: Clone + Send + Sync + 'static> Flight<T> {
    /// Begins the work.
    #[must_use]
    pub fn begin(work: impl Future<Output = T> + Send + 'static) -> Arc<Self> {
        let (sender, outcome) = watch::channel(None);
        let task = task::spawn(async move {
            let outcome = work.await;
            sender.send_replace(Some(outcome));
        });
        Arc::new(Self { outcome, task: task.abort_handle() })
    }

    /// The work under way, or else what `work` makes.
    pub fn join_or_begin<W: Future<Output = T> + Send + 'static>(
        under_way: &mut Weak<Self>,
        work: impl FnOnce() -> W,
    ) -> Arc<Self> {
        under_way.upgrade().unwrap_or_else(|| {
            let flight = Self::begin(work());
            *under_way = Arc::downgrade(&flight);
            flight
        })
    }

    /// What the work ends with; `None` if it panicked, which has been logged.
    pub async fn outcome(&self) -> Option<T> {
        let mut outcome = self.outcome.clone();
        match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone(),
            Err(_) => None,
        }
    }
}

impl<T: Clone + Send + Sync + 'static> Flight<Result<T, Arc<Error>>> {
    /// What the work ends with, or an error at the deadline that says what it was waiting for.
    ///
    /// # Errors
    /// The work's own, or [`Error::Deadline`].
    pub async fn outcome_before(
        &self,
        deadline: Deadline,
        client: &Client,
    ) -> Result<T, Arc<Error>> {
        match client.clock().before(deadline, self.outcome()).await {
            Some(Some(outcome)) => outcome,
            // Its task panicked, which has been logged.
            Some(None) => Err(Arc::new(Error::Frozen)),
            None => Err(Arc::new(Error::Deadline { waiting_for: client.waiting_for() })),
        }
    }
}

impl<T> Drop for Flight<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
