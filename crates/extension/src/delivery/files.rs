//! Secrets as files: read side by side, written where their secret has changed, kept fresh.
//!
//! The files stay until the environment ends: the function may read them at any time. One that was written is at most
//! `STRONGROOM_REFRESH` old at the last INVOKE that was finished; the first invocation after a longer freeze may still
//! read the older one, as what is due is done beside its handler.

mod template;
mod writing;

use std::sync::Arc;
use std::time::Duration;

use ring::digest::{SHA256, digest};
use strongroom_core::document::Document;
use strongroom_core::format::{self, Format, FormatError};
use strongroom_core::lease::UnixMilliseconds;
use strongroom_core::settings::{MissingSecret, SecretFile};
use strongroom_vault::clock::{Clock, Pause};
use zeroize::Zeroizing;

use crate::exit::{Category, Failure};
use crate::store::{Batch, Ended, Secret};

/// The files, and what was last written to them.
pub(crate) struct Files {
    kept: Vec<Kept>,
    refresh: Option<Duration>,
    clock: Clock,
}

struct Kept {
    order: Order,
    written: Option<Written>,
    /// Whether it is to be written anew whatever it holds: a lease of it is over.
    is_stale: bool,
    /// After a reading that failed.
    pause: Pause,
}

/// What is to be written where.
struct Order {
    file: SecretFile,
    missing: MissingSecret,
}

/// What a file holds.
struct Written {
    /// SHA-256 of the secrets' part of it.
    fingerprint: [u8; 32],
    /// When the oldest of its secrets without a lease was read; `None` if all are leased.
    read_at: Option<UnixMilliseconds>,
    leases: Vec<Arc<str>>,
}

/// What a file is to hold.
struct Content {
    bytes: Zeroizing<Vec<u8>>,
    /// What changes only when a secret does.
    fingerprint: [u8; 32],
    secrets: Vec<Arc<Secret>>,
}

impl Files {
    /// Files of which none is written yet.
    pub(crate) fn new(
        files: Vec<SecretFile>,
        missing: MissingSecret,
        refresh: Option<Duration>,
        clock: Clock,
    ) -> Self {
        let kept = files.into_iter().map(|file| Kept {
            order: Order { file, missing },
            written: None,
            is_stale: false,
            pause: Pause::default(),
        });
        Self { kept: kept.collect(), refresh, clock }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Writes every secret to its file, or says why not for each that failed.
    pub(crate) async fn deliver(&mut self, batch: &Arc<Batch>) -> Result<(), Failure> {
        writing::remove_leftovers(self.kept.iter().map(|kept| &*kept.order.file.file));
        let all = (0..self.kept.len()).collect();
        let failures = self.write(all, batch).await;
        for failure in failures.iter().skip(1) {
            tracing::error!(hint = failure.hint.as_deref().unwrap_or_default(), "{failure}");
        }
        failures.into_iter().next().map_or(Ok(()), Err)
    }

    /// Notes that a lease is over: a file that was made of it is due.
    pub(crate) fn note_end(&mut self, ended: &Ended) {
        let holds = |written: &Written| written.leases.contains(&ended.lease_id);
        for kept in self.kept.iter_mut().filter(|kept| kept.written.as_ref().is_some_and(holds)) {
            kept.is_stale = true;
        }
    }

    /// Whether anything is due.
    pub(crate) fn needs_refresh(&self) -> bool {
        let now = self.clock.now();
        self.kept.iter().any(|kept| self.is_due(kept, now))
    }

    /// Reads again what is due. What cannot be had leaves its file as it is, to be tried again after a pause.
    pub(crate) async fn refresh(&mut self, batch: &Arc<Batch>) {
        let now = self.clock.now();
        let indexes = 0..self.kept.len();
        let due = indexes.filter(|index| self.is_due(&self.kept[*index], now)).collect();
        for failure in self.write(due, batch).await {
            let hint = failure.hint.as_deref().unwrap_or_default();
            tracing::error!(hint, "a file keeps an older secret: {failure}");
        }
    }

    /// Makes everything due: the environment is to be snapshotted.
    pub(crate) fn make_due(&mut self) {
        self.kept.iter_mut().for_each(|kept| kept.is_stale = true);
    }

    fn is_due(&self, kept: &Kept, now: UnixMilliseconds) -> bool {
        if kept.pause.lasts(&self.clock) {
            return false;
        }
        let read_at = kept.written.as_ref().and_then(|written| written.read_at);
        let is_old = read_at.zip(self.refresh).is_some_and(|(read_at, refresh)| {
            // Of one that was read later than now, as the clock was set back, the age is not known.
            now < read_at || u128::from(now - read_at) >= refresh.as_millis()
        });
        is_old || kept.is_stale || kept.written.is_none()
    }

    async fn write(&mut self, indexes: Vec<usize>, batch: &Arc<Batch>) -> Vec<Failure> {
        batch.begin(indexes.iter().map(|index| &self.kept[*index].order.file.secret));
        let mut failures = Vec::new();
        for index in indexes {
            let content = self.kept[index].order.content(batch).await;
            let kept = &mut self.kept[index];
            if let Err(failure) = content.and_then(|content| kept.write(&content)) {
                // Of what it read, other leases may be over before that is tried again.
                kept.is_stale = true;
                kept.pause = self.clock.pause(PAUSE);
                failures.push(failure);
            }
        }
        failures
    }
}

impl Kept {
    /// Writes what has changed.
    fn write(&mut self, content: &Content) -> Result<(), Failure> {
        let SecretFile { file, mode, secret, .. } = &self.order.file;
        let is_changed =
            self.written.as_ref().is_none_or(|written| written.fingerprint != content.fingerprint);
        // The function may have cleared /tmp.
        if is_changed || !file.exists() {
            writing::write_aside(file, &content.bytes, *mode)
                .map_err(|error| self.order.not_written(&error))?;
            tracing::debug!(path = secret.path, file = %file.display(), "secret written");
        }
        let unleased = content.secrets.iter().filter(|secret| secret.lease.is_none());
        self.is_stale = false;
        self.written = Some(Written {
            fingerprint: content.fingerprint,
            read_at: unleased.map(|secret| secret.read_at).min(),
            leases: content.secrets.iter().filter_map(|secret| secret.lease.clone()).collect(),
        });
        Ok(())
    }
}

impl Order {
    async fn content(&self, batch: &Arc<Batch>) -> Result<Content, Failure> {
        let SecretFile { secret: id, variable, format, .. } = &self.file;
        let attempt = format!("cannot read {id} (from {variable})");
        let secret = batch.secret(id).await;
        let secret = secret.map_err(|error| Failure::of_vault(&attempt, &error))?;
        for warning in secret.document.iter().flat_map(Document::warnings) {
            tracing::warn!(path = id.path, "Vault warns: {warning}");
        }
        let Some(document) = secret.present() else {
            return self.without_secret(secret, batch).await;
        };
        let (bytes, secrets) = match format::written(format, document) {
            Ok(Some(bytes)) => (bytes, vec![Arc::clone(&secret)]),
            Ok(None) => self.by_template(Arc::clone(&secret), batch).await?,
            Err(error) => return Err(self.not_formatted(&error)),
        };
        // Vault's answer begins with its `request_id`, which is another one each time, in a line of its own.
        let from = match format {
            Format::Response => memchr::memchr_iter(b'\n', &bytes).nth(1).unwrap_or_default(),
            _ => 0,
        };
        let fingerprint = fingerprint(&bytes[from..]);
        Ok(Content { bytes, fingerprint, secrets })
    }

    async fn by_template(
        &self,
        own: Arc<Secret>,
        batch: &Arc<Batch>,
    ) -> Result<(Zeroizing<Vec<u8>>, Vec<Arc<Secret>>), Failure> {
        let Format::Template(file) = &self.file.format else {
            unreachable!("all other formats need nothing but the secret")
        };
        template::render(file, own, batch).await
    }

    /// A secret that is not there: an error, or what the incumbent writes.
    async fn without_secret(&self, secret: Arc<Secret>, batch: &Batch) -> Result<Content, Failure> {
        let document = secret
            .document
            .as_ref()
            .filter(|document| secret.status != 404 || document.has_data_or_warnings());
        if self.missing == MissingSecret::Fail {
            let path = &self.file.secret.path;
            let better = match secret.has_warnings() {
                true => batch.versioned_path(path).await.unwrap_or_default(),
                false => None,
            };
            return Err(self.not_there(secret.status, better));
        }
        let bytes = match document {
            Some(document) if self.file.format == Format::Response => document.to_json(),
            _ => Zeroizing::new(b"null".to_vec()),
        };
        Ok(Content { fingerprint: fingerprint(b"null"), bytes, secrets: vec![secret] })
    }

    fn not_there(&self, status: u16, better: Option<String>) -> Failure {
        let SecretFile { secret, variable, file, .. } = &self.file;
        let message =
            format!("there is no secret at {secret} (from {variable}): Vault answered {status}");
        Failure::new(Category::SecretMissing, message).with_hint(match better {
            Some(better) => format!("this is a KV v2 secrets engine: set {variable} to {better}"),
            None => format!(
                "check the path, whether the secret or its version was deleted, and VAULT_NAMESPACE; \
                 STRONGROOM_MISSING_SECRET=null starts the function all the same, with null in {}",
                file.display()
            ),
        })
    }

    fn not_formatted(&self, error: &FormatError) -> Failure {
        let SecretFile { secret, variable, file, .. } = &self.file;
        let message =
            format!("cannot write {} from {secret} (from {variable}): {error}", file.display());
        let setting = variable.replacen("VAULT_SECRET_PATH", "STRONGROOM_FILE_FORMAT", 1);
        Failure::new(Category::SecretMissing, message)
            .with_hint(format!("check {setting}, or the secret's fields in Vault"))
    }

    fn not_written(&self, error: &std::io::Error) -> Failure {
        let SecretFile { variable, file, .. } = &self.file;
        let setting = variable.replacen("PATH", "FILE", 1);
        Failure::new(Category::File, format!("cannot write {}: {error}", file.display()))
            .with_hint(writing::hint_for(error, &setting))
    }
}

fn fingerprint(bytes: &[u8]) -> [u8; 32] {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, bytes).as_ref());
    fingerprint
}

/// How long a secret that could not be read is not asked for again.
const PAUSE: Duration = Duration::from_secs(10);
