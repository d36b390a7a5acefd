//! The directories of an environment: where they lie here and what processes call them.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use crate::HostError;
use crate::config::{Config, Identity, Layer, Runtime};
use crate::spawner::EXECUTABLES;

/// The most that function and layers may take unpacked: 250 MB, as Lambda has it.
const MOST_UNPACKED: u128 = 250 * 1024 * 1024;
/// The most extensions Lambda starts.
pub(crate) const MOST_EXTENSIONS: usize = 10;

/// The paths that an environment's processes see.
#[derive(Clone, Debug)]
pub(crate) struct Roots {
    pub(crate) opt: PathBuf,
    pub(crate) runtime: PathBuf,
    pub(crate) task: PathBuf,
    pub(crate) tmp: PathBuf,
}

impl Roots {
    /// Lambda's own paths, which need a mount namespace.
    fn of_lambda() -> Self {
        Self {
            opt: PathBuf::from("/opt"),
            runtime: PathBuf::from("/var/runtime"),
            task: PathBuf::from("/var/task"),
            tmp: PathBuf::from("/tmp"),
        }
    }

    /// A variable's value with Lambda's path at its beginning replaced by where that lies.
    pub(crate) fn translate(&self, value: &str) -> String {
        let pairs = [("/opt", &self.opt), ("/var/task", &self.task), ("/tmp", &self.tmp)];
        for (theirs, ours) in pairs {
            if let Some(rest) = value.strip_prefix(theirs)
                && (rest.is_empty() || rest.starts_with('/'))
            {
                return format!("{}{rest}", ours.display());
            }
        }
        value.to_owned()
    }
}

/// The directories of one environment. They outlive resets and go with the value.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) code: PathBuf,
    /// What becomes `/var/lang`.
    pub(crate) lang: Option<PathBuf>,
    root: tempfile::TempDir,
}

impl Sandbox {
    /// Unpacks the layers and lays the directories out.
    pub(crate) fn create(config: &Config) -> Result<Self, HostError> {
        let failed = |what: &str, source| HostError::Directory { what: what.to_owned(), source };
        let root = tempfile::Builder::new()
            .prefix("strongroom-host-")
            .tempdir()
            .map_err(|source| failed("a temporary directory", source))?;
        let code = std::path::absolute(&config.function.code)
            .and_then(|code| fs::read_dir(&code).map(|_| code))
            .map_err(|source| failed(&config.function.code.display().to_string(), source))?;
        let lang = match &config.function.runtime {
            Runtime::Managed { language, .. } => Some(
                std::path::absolute(language)
                    .and_then(|language| fs::read_dir(language.join("bin")).map(|_| language))
                    .map_err(|source| failed(&language.display().to_string(), source))?,
            ),
            Runtime::Provided => None,
            Runtime::Python { interpreter } => Some(virtual_environment(interpreter)?),
        };
        let sandbox = Self { code, lang, root };
        for name in ["opt", "runtime", "tmp", "var"] {
            fs::DirBuilder::new()
                .mode(0o755)
                .create(sandbox.root.path().join(name))
                .map_err(|source| failed(name, source))?;
        }
        sandbox.give_tmp(config.identity).map_err(|source| failed("tmp", source))?;
        {
            let _nobody_forks = EXECUTABLES.write().unwrap_or_else(PoisonError::into_inner);
            for layer in &config.layers {
                unpack(layer, &sandbox.opt())?;
            }
        }
        Ok(sandbox)
    }

    /// Where `/opt` lies here.
    pub(crate) fn opt(&self) -> PathBuf {
        self.root.path().join("opt")
    }

    /// Where `/var/runtime` lies here.
    pub(crate) fn runtime(&self) -> PathBuf {
        self.root.path().join("runtime")
    }

    /// Where `/tmp` lies here.
    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.path().join("tmp")
    }

    /// An empty directory, for the mount namespace to build `/var` in.
    pub(crate) fn var(&self) -> PathBuf {
        self.root.path().join("var")
    }

    /// What processes call these directories.
    pub(crate) fn roots(&self, namespace: bool) -> Roots {
        if namespace {
            return Roots::of_lambda();
        }
        Roots { opt: self.opt(), runtime: self.runtime(), task: self.code.clone(), tmp: self.tmp() }
    }

    /// Where a path that processes see lies here.
    pub(crate) fn locate(&self, roots: &Roots, path: &Path) -> PathBuf {
        let pairs = [
            (&roots.opt, self.opt()),
            (&roots.runtime, self.runtime()),
            (&roots.task, self.code.clone()),
            (&roots.tmp, self.tmp()),
        ];
        for (theirs, ours) in pairs {
            if let Ok(rest) = path.strip_prefix(theirs) {
                return ours.join(rest);
            }
        }
        path.to_owned()
    }

    /// Names of what Lambda executes as extensions, sorted: every entry that is not a directory.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html>
    pub(crate) fn extensions(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.opt().join("extensions")) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            // The entry's own type: a symlink to a directory is executed, and fails.
            if !entry.file_type()?.is_dir() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    fn give_tmp(&self, identity: Identity) -> io::Result<()> {
        let Identity::User { uid, gid } = identity else { return Ok(()) };
        // Without a mount namespace the user reaches its directories through this one.
        fs::set_permissions(self.root.path(), fs::Permissions::from_mode(0o711))?;
        std::os::unix::fs::chown(self.tmp(), Some(uid), Some(gid))
    }
}

fn virtual_environment(interpreter: &Path) -> Result<PathBuf, HostError> {
    std::path::absolute(interpreter)
        .ok()
        .filter(|path| path.is_file())
        .and_then(|path| Some(path.parent()?.parent()?.to_owned()))
        .ok_or_else(|| HostError::Interpreter(interpreter.to_owned()))
}

fn unpack(layer: &Layer, opt: &Path) -> Result<(), HostError> {
    match layer {
        Layer::Directory(directory) => copy(directory, opt)
            .map_err(|source| HostError::Layer { path: directory.clone(), source: source.into() }),
        Layer::Zip(archive) => extract(archive, opt)
            .map_err(|source| HostError::Layer { path: archive.clone(), source }),
    }
}

/// Copies what `from` holds into `to`, modes and links included; what is there is replaced.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            fs::create_dir_all(&target)?;
            copy(&source, &target)?;
            continue;
        }
        match fs::remove_file(&target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

fn extract(archive: &Path, opt: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut archive = zip::ZipArchive::new(fs::File::open(archive)?)?;
    if archive.decompressed_size().is_some_and(|size| size > MOST_UNPACKED) {
        return Err("unpacked it is larger than the 250 MB that Lambda allows".into());
    }
    archive.extract(opt)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_translated_where_it_begins_with_a_path_of_lambdas() {
        let roots = Roots {
            opt: PathBuf::from("/a/opt"),
            runtime: PathBuf::from("/a/runtime"),
            task: PathBuf::from("/code"),
            tmp: PathBuf::from("/a/tmp"),
        };
        let check = |value: &str, expected: &str| assert_eq!(roots.translate(value), expected);
        check("/opt/strongroom/exec", "/a/opt/strongroom/exec");
        check("/tmp", "/a/tmp");
        check("/var/task/ca.pem", "/code/ca.pem");
        check("/option", "/option");
        check("file:/tmp/x", "file:/tmp/x");
        check("", "");
        assert_eq!(Roots::of_lambda().translate("/opt/x"), "/opt/x");
    }
}
